// SPDX-License-Identifier: Apache-2.0

/// How a layer with weights shares the relevance of its outputs out to its inputs, x_i to z_j = sum_i x_i w_ij + b_j:
/// R_i = sum_j (share of i in j) R_j.
///
/// Bach et al., "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation", 2015,
/// doi:10.1371/journal.pone.0130140, equations 56 to 60; Montavon et al., "Layer-Wise Relevance Propagation: An Overview", 2019,
/// doi:10.1007/978-3-030-28954-6_10, table 10.1. w+ and w- are max(w, 0) and min(w, 0). Biases
/// take the share that is theirs, except in the last three, which leave them out.
public enum RelevanceRule: Sendable, Hashable {
  /// x_i w_ij / (z_j + epsilon sign(z_j)): by contribution. As epsilon goes to 0, gradient times input.
  case epsilon(Float)
  /// The same with weights w + gamma w+: contributions that agree with z count more. Where x or z are negative in the
  /// form of Andéol et al., "Learning Domain Invariant Representations by Joint Wasserstein Distance Minimization", 2021,
  /// arXiv:2106.04923, section 4.1, so that what agrees with the sign of z is what counts more.
  case gamma(Float)
  /// What is positive in x_i w_ij, over the sum of that.
  case zPlus
  /// alpha times the share in what is positive, minus beta = alpha - 1 times that in what is negative.
  case alphaBeta(alpha: Float)
  /// The same to all: 1 / (number of inputs). Lapuschkin et al., "Unmasking Clever Hans Predictors", 2019, arXiv:1902.10178.
  case flat
  /// w_ij^2 / sum_i w_ij^2, whatever the input is. Montavon et al., "Explaining Nonlinear Classification Decisions with Deep Taylor
  /// Decomposition", 2017, arXiv:1512.02479, section 4.1.
  case wSquare
  /// x_i w_ij - l_i w+_ij - h_i w-_ij over the sum of that, for a picture between `low` and `high`, each one number or one for each of
  /// the picture's channels. Same paper, section 4.3. For layers that see the picture or what its preprocessing makes of it.
  case zBox(low: [Float], high: [Float])
}

/// Which rule for which kind of layer: `first` is for the layers with weights that see the picture before any other.
public struct RelevanceRules: Sendable, Hashable {
  public var convolution: RelevanceRule
  public var dense: RelevanceRule
  public var first: RelevanceRule?
  /// Whether biases take their share, as in the paper. Where they are large, as in deep networks whose batch normalisation was folded,
  /// little reaches the picture. Without them more does, but an output that only its bias made has nobody to hand its relevance to.
  public var countsBiases = true

  public init(convolution: RelevanceRule, dense: RelevanceRule, first: RelevanceRule? = nil, countsBiases: Bool = true) {
    (self.convolution, self.dense, self.first, self.countsBiases) = (convolution, dense, first, countsBiases)
  }

  /// What is added to a divisor that may vanish, where the rule itself names none.
  static let stabilizer: Float = 1e-6

  public static func epsilon(_ epsilon: Float = 1e-6) -> Self { Self(convolution: .epsilon(epsilon), dense: .epsilon(epsilon)) }
  public static func gamma(_ gamma: Float = 0.25) -> Self { Self(convolution: .gamma(gamma), dense: .gamma(gamma)) }
  /// Alpha 2, beta 1 everywhere.
  public static let alphaBeta = Self(convolution: .alphaBeta(alpha: 2), dense: .alphaBeta(alpha: 2))

  /// Kohlbrenner et al., "Towards Best Practice in Explaining Neural Network Decisions with LRP", 2020, arXiv:1910.09840, table 1.
  public static let epsilonPlus = Self(convolution: .zPlus, dense: .epsilon(1e-6))
  public static let epsilonPlusFlat = Self(convolution: .zPlus, dense: .epsilon(1e-6), first: .flat)
  public static let epsilonAlpha2Beta1 = Self(convolution: .alphaBeta(alpha: 2), dense: .epsilon(1e-6))
  public static let epsilonAlpha2Beta1Flat = Self(convolution: .alphaBeta(alpha: 2), dense: .epsilon(1e-6), first: .flat)
  /// Montavon et al. 2019, section 10.3, for pictures between `low` and `high`.
  public static func epsilonGammaBox(low: [Float] = [0], high: [Float] = [1]) -> Self {
    Self(convolution: .gamma(0.25), dense: .epsilon(1e-6), first: .zBox(low: low, high: high))
  }
}
