// SPDX-License-Identifier: Apache-2.0

/// 1 4 2 8 5 7 resized, as the reference implementation of ONNX 1.23 does it, with the region 0.2...0.9 and the
/// extrapolation value -3 where they count:
/// coordinates, mode and rounding, cubic a, antialias, excludes outside, scale, length: values to six digits.
let resizeCases = """
  half_pixel nearest_round_prefer_floor 0 0 0 0.6666666666666666 4: 1 2 8 7
  half_pixel nearest_round_prefer_floor 0 0 0 1.5 9: 1 1 4 2 2 8 5 5 7
  half_pixel nearest_round_prefer_floor 0 0 0 0.45 2: 4 8
  half_pixel nearest_round_prefer_floor 0 0 0 2.6 15: 1 1 1 4 4 2 2 2 8 8 5 5 5 7 7
  half_pixel nearest_round_prefer_ceil 0 0 0 0.6666666666666666 4: 1 2 8 7
  half_pixel nearest_round_prefer_ceil 0 0 0 1.5 9: 1 4 4 2 8 8 5 7 7
  half_pixel nearest_round_prefer_ceil 0 0 0 0.45 2: 4 8
  half_pixel nearest_round_prefer_ceil 0 0 0 2.6 15: 1 1 1 4 4 2 2 2 8 8 5 5 5 7 7
  half_pixel nearest_floor 0 0 0 0.6666666666666666 4: 1 4 8 5
  half_pixel nearest_floor 0 0 0 1.5 9: 1 1 4 4 2 8 8 5 7
  half_pixel nearest_floor 0 0 0 0.45 2: 1 2
  half_pixel nearest_floor 0 0 0 2.6 15: 1 1 1 1 4 4 2 2 2 8 8 8 5 5 7
  half_pixel nearest_ceil 0 0 0 0.6666666666666666 4: 4 2 5 7
  half_pixel nearest_ceil 0 0 0 1.5 9: 1 4 2 2 8 5 5 7 7
  half_pixel nearest_ceil 0 0 0 0.45 2: 4 8
  half_pixel nearest_ceil 0 0 0 2.6 15: 1 4 4 4 2 2 2 8 8 5 5 5 7 7 7
  half_pixel linear 0 0 0 0.6666666666666666 4: 1.75 2.5 7.25 6.5
  half_pixel linear 0 0 0 1.5 9: 1 2.5 3.66667 2.33333 5 7.5 5.5 6 7
  half_pixel linear 0 0 0 0.45 2: 2.83333 7
  half_pixel linear 0 0 0 2.6 15: 1 1.23077 2.38462 3.53846 3.53846 2.76923 2 4.30769 6.61538 7.53846 6.38462 5.23077 5.61538 6.38462 7
  half_pixel linear 0 1 0 0.6666666666666666 4: 2 3.33333 6.33333 6.33333
  half_pixel linear 0 1 0 1.5 9: 1 2.5 3.66667 2.33333 5 7.5 5.5 6 7
  half_pixel linear 0 1 0 0.45 2: 2.29545 5.34831
  half_pixel linear 0 1 0 2.6 15: 1 1.23077 2.38462 3.53846 3.53846 2.76923 2 4.30769 6.61538 7.53846 6.38462 5.23077 5.61538 6.38462 7
  half_pixel linear 0 1 1 0.6666666666666666 4: 2.125 3.33333 6.33333 6.25
  half_pixel linear 0 1 1 1.5 9: 1 2.5 3.66667 2.33333 5 7.5 5.5 6 7
  half_pixel linear 0 1 1 0.45 2: 2.48052 5.34831
  half_pixel linear 0 1 1 2.6 15: 1 1.23077 2.38462 3.53846 3.53846 2.76923 2 4.30769 6.61538 7.53846 6.38462 5.23077 5.61538 6.38462 7
  half_pixel cubic -0.75 0 0 0.6666666666666666 4: 1.75 1.92578 7.88281 6.44141
  half_pixel cubic -0.75 0 0 1.5 9: 0.739583 2.6875 3.86921 1.81829 5.09375 8.05556 5.36111 5.71875 7.17361
  half_pixel cubic -0.75 0 0 0.45 2: 3.09079 7.36458
  half_pixel cubic -0.75 0 0 2.6 15: 0.668184 1.1939 2.54233 3.77128 3.70915 2.29131 2 4.21211 7.00455 8.07169 6.68571 5.11197 5.2426 6.27811 7.09832
  half_pixel cubic -0.75 0 1 0.6666666666666666 4: 1.67845 1.92578 7.88281 6.4947
  half_pixel cubic -0.75 0 1 1.5 9: 0.695946 2.54286 3.86921 1.81829 5.09375 8.05556 5.36111 5.82857 7.2027
  half_pixel cubic -0.75 0 1 0.45 2: 2.95526 7.36458
  half_pixel cubic -0.75 0 1 2.6 15: 0.534483 1.18482 2.40165 3.73027 3.70915 2.29131 2 4.21211 7.00455 8.07169 6.68571 5.11197 5.32495 6.35 7.1048
  half_pixel cubic -0.5 0 0 0.6666666666666666 4: 1.65625 2.05469 7.76562 6.52344
  half_pixel cubic -0.5 0 0 1.5 9: 0.826389 2.625 3.86343 1.92824 5.0625 7.96296 5.31481 5.8125 7.11574
  half_pixel cubic -0.5 0 0 0.45 2: 3.05778 7.42824
  half_pixel cubic -0.5 0 0 2.6 15: 0.778789 1.14611 2.47064 3.7838 3.71598 2.4142 2 4.13473 7.066 7.98407 6.56623 5.09149 5.31224 6.36823 7.06554
  half_pixel cubic -0.5 0 1 0.6666666666666666 4: 1.61314 2.05469 7.76562 6.55474
  half_pixel cubic -0.5 0 1 1.5 9: 0.802632 2.52941 3.86343 1.92824 5.0625 7.96296 5.31481 5.88235 7.13158
  half_pixel cubic -0.5 0 1 0.45 2: 2.96689 7.42824
  half_pixel cubic -0.5 0 1 2.6 15: 0.698324 1.14147 2.37841 3.7562 3.71598 2.4142 2 4.13473 7.066 7.98407 6.56623 5.09149 5.3658 6.41162 7.06877
  half_pixel cubic -0.75 1 0 0.6666666666666666 4: 2.04861 3.31713 6.48843 6.20833
  half_pixel cubic -0.75 1 0 1.5 9: 0.739583 2.6875 3.86921 1.81829 5.09375 8.05556 5.36111 5.71875 7.17361
  half_pixel cubic -0.75 1 0 0.45 2: 2.14576 5.42768
  half_pixel cubic -0.75 1 0 2.6 15: 0.668184 1.1939 2.54233 3.77128 3.70915 2.29131 2 4.21211 7.00455 8.07169 6.68571 5.11197 5.2426 6.27811 7.09832
  half_pixel cubic -0.75 1 1 0.6666666666666666 4: 2.09774 3.29062 6.49428 6.17124
  half_pixel cubic -0.75 1 1 1.5 9: 0.695946 2.54286 3.86921 1.81829 5.09375 8.05556 5.36111 5.82857 7.2027
  half_pixel cubic -0.75 1 1 0.45 2: 2.22193 5.42758
  half_pixel cubic -0.75 1 1 2.6 15: 0.534483 1.18482 2.40165 3.73027 3.70915 2.29131 2 4.21211 7.00455 8.07169 6.68571 5.11197 5.32495 6.35 7.1048
  half_pixel cubic -0.5 1 0 0.6666666666666666 4: 2.03241 3.19907 6.56019 6.25
  half_pixel cubic -0.5 1 0 1.5 9: 0.826389 2.625 3.86343 1.92824 5.0625 7.96296 5.31481 5.8125 7.11574
  half_pixel cubic -0.5 1 0 0.45 2: 2.22242 5.40923
  half_pixel cubic -0.5 1 0 2.6 15: 0.778789 1.14611 2.47064 3.7838 3.71598 2.4142 2 4.13473 7.066 7.98407 6.56623 5.09149 5.31224 6.36823 7.06554
  asymmetric nearest_round_prefer_floor 0 0 0 0.6666666666666666 4: 1 4 8 5
  asymmetric nearest_round_prefer_floor 0 0 0 1.5 9: 1 4 4 2 8 8 5 7 7
  asymmetric nearest_round_prefer_floor 0 0 0 0.45 2: 1 2
  asymmetric nearest_round_prefer_floor 0 0 0 2.6 15: 1 1 4 4 2 2 2 8 8 8 5 5 7 7 7
  asymmetric nearest_round_prefer_ceil 0 0 0 0.6666666666666666 4: 1 2 8 7
  asymmetric nearest_round_prefer_ceil 0 0 0 1.5 9: 1 4 4 2 8 8 5 7 7
  asymmetric nearest_round_prefer_ceil 0 0 0 0.45 2: 1 2
  asymmetric nearest_round_prefer_ceil 0 0 0 2.6 15: 1 1 4 4 2 2 2 8 8 8 5 5 7 7 7
  asymmetric nearest_floor 0 0 0 0.6666666666666666 4: 1 4 8 5
  asymmetric nearest_floor 0 0 0 1.5 9: 1 1 4 2 2 8 5 5 7
  asymmetric nearest_floor 0 0 0 0.45 2: 1 2
  asymmetric nearest_floor 0 0 0 2.6 15: 1 1 1 4 4 4 2 2 8 8 8 5 5 7 7
  asymmetric nearest_ceil 0 0 0 0.6666666666666666 4: 1 2 8 7
  asymmetric nearest_ceil 0 0 0 1.5 9: 1 4 2 2 8 5 5 7 7
  asymmetric nearest_ceil 0 0 0 0.45 2: 1 8
  asymmetric nearest_ceil 0 0 0 2.6 15: 1 4 4 2 2 2 8 8 5 5 5 7 7 7 7
  asymmetric linear 0 0 0 0.6666666666666666 4: 1 3 8 6
  asymmetric linear 0 0 0 1.5 9: 1 3 3.33333 2 6 7 5 6.33333 7
  asymmetric linear 0 0 0 0.45 2: 1 3.33333
  asymmetric linear 0 0 0 2.6 15: 1 2.15385 3.30769 3.69231 2.92308 2.15385 3.84615 6.15385 7.76923 6.61538 5.46154 5.46154 6.23077 7 7
  asymmetric linear 0 1 0 0.6666666666666666 4: 1.6 3 6.2 6
  asymmetric linear 0 1 0 1.5 9: 1 3 3.33333 2 6 7 5 6.33333 7
  asymmetric linear 0 1 0 0.45 2: 1.76087 4.45455
  asymmetric linear 0 1 0 2.6 15: 1 2.15385 3.30769 3.69231 2.92308 2.15385 3.84615 6.15385 7.76923 6.61538 5.46154 5.46154 6.23077 7 7
  asymmetric linear 0 1 1 0.6666666666666666 4: 1.75 3 6.2 6
  asymmetric linear 0 1 1 1.5 9: 1 3 3.33333 2 6 7 5 6.33333 7
  asymmetric linear 0 1 1 0.45 2: 2.06061 4.45455
  asymmetric linear 0 1 1 2.6 15: 1 2.15385 3.30769 3.69231 2.92308 2.15385 3.84615 6.15385 7.76923 6.61538 5.46154 5.46154 6.23077 7 7
  asymmetric cubic -0.75 0 0 0.6666666666666666 4: 1 2.71875 8 5.71875
  asymmetric cubic -0.75 0 0 1.5 9: 1 3.27778 3.37037 2 6.33333 7.61111 5 6.2037 7.22222
  asymmetric cubic -0.75 0 0 0.45 2: 1 3.07407
  asymmetric cubic -0.75 0 0 2.6 15: 1 2.24943 3.58421 3.89508 2.56941 1.84115 3.64952 6.51024 8.10105 7.05985 5.31884 5.10651 6.05325 7 7.21848
  asymmetric cubic -0.75 0 1 0.6666666666666666 4: 1 2.71875 8 5.82857
  asymmetric cubic -0.75 0 1 1.5 9: 1 3.15789 3.37037 2 6.33333 7.61111 5 6.28333 7.32432
  asymmetric cubic -0.75 0 1 0.45 2: 1 3.07407
  asymmetric cubic -0.75 0 1 2.6 15: 1 2.12638 3.50718 3.89508 2.56941 1.84115 3.64952 6.51024 8.10105 7.05985 5.31884 5.16295 6.14649 7 7.34732
  asymmetric cubic -0.5 0 0 0.6666666666666666 4: 1 2.8125 8 5.8125
  asymmetric cubic -0.5 0 0 1.5 9: 1 3.25926 3.40741 2 6.37037 7.48148 5 6.2963 7.14815
  asymmetric cubic -0.5 0 0 0.45 2: 1 2.96845
  asymmetric cubic -0.5 0 0 2.6 15: 1 2.16295 3.58762 3.88757 2.67456 1.90533 3.55121 6.5553 8.05052 6.93081 5.27629 5.16113 6.14884 7 7.14565
  asymmetric cubic -0.5 0 1 0.6666666666666666 4: 1 2.8125 8 5.88235
  asymmetric cubic -0.5 0 1 1.5 9: 1 3.17857 3.40741 2 6.37037 7.48148 5 6.34483 7.21053
  asymmetric cubic -0.5 0 1 0.45 2: 1 2.96845
  asymmetric cubic -0.5 0 1 2.6 15: 1 2.08401 3.53568 3.88757 2.67456 1.90533 3.55121 6.5553 8.05052 6.93081 5.27629 5.19804 6.20662 7 7.22663
  asymmetric cubic -0.75 1 0 0.6666666666666666 4: 1.65854 3 6.17073 6.1125
  asymmetric cubic -0.75 1 0 1.5 9: 1 3.27778 3.37037 2 6.33333 7.61111 5 6.2037 7.22222
  asymmetric cubic -0.75 1 0 0.45 2: 1.53557 4.55017
  asymmetric cubic -0.75 1 0 2.6 15: 1 2.24943 3.58421 3.89508 2.56941 1.84115 3.64952 6.51024 8.10105 7.05985 5.31884 5.10651 6.05325 7 7.21848
  asymmetric cubic -0.75 1 1 0.6666666666666666 4: 1.79412 2.92771 6.17073 6.14458
  asymmetric cubic -0.75 1 1 1.5 9: 1 3.15789 3.37037 2 6.33333 7.61111 5 6.28333 7.32432
  asymmetric cubic -0.75 1 1 0.45 2: 1.73893 4.43638
  asymmetric cubic -0.75 1 1 2.6 15: 1 2.12638 3.50718 3.89508 2.56941 1.84115 3.64952 6.51024 8.10105 7.05985 5.31884 5.16295 6.14649 7 7.34732
  asymmetric cubic -0.5 1 0 0.6666666666666666 4: 1.60976 3 6.26829 6.075
  asymmetric cubic -0.5 1 0 1.5 9: 1 3.25926 3.40741 2 6.37037 7.48148 5 6.2963 7.14815
  asymmetric cubic -0.5 1 0 0.45 2: 1.62139 4.52194
  asymmetric cubic -0.5 1 0 2.6 15: 1 2.16295 3.58762 3.88757 2.67456 1.90533 3.55121 6.5553 8.05052 6.93081 5.27629 5.16113 6.14884 7 7.14565
  align_corners nearest_round_prefer_floor 0 0 0 0.6666666666666666 4: 1 2 8 7
  align_corners nearest_round_prefer_floor 0 0 0 1.5 9: 1 4 4 2 2 8 5 5 7
  align_corners nearest_round_prefer_floor 0 0 0 0.45 2: 1 8
  align_corners nearest_round_prefer_floor 0 0 0 2.6 15: 1 1 4 4 4 2 2 2 8 8 8 5 5 5 7
  align_corners nearest_round_prefer_ceil 0 0 0 0.6666666666666666 4: 1 2 8 7
  align_corners nearest_round_prefer_ceil 0 0 0 1.5 9: 1 4 4 2 8 8 5 5 7
  align_corners nearest_round_prefer_ceil 0 0 0 0.45 2: 1 8
  align_corners nearest_round_prefer_ceil 0 0 0 2.6 15: 1 1 4 4 4 2 2 2 8 8 8 5 5 5 7
  align_corners nearest_floor 0 0 0 0.6666666666666666 4: 1 4 8 7
  align_corners nearest_floor 0 0 0 1.5 9: 1 1 4 4 2 8 8 5 7
  align_corners nearest_floor 0 0 0 0.45 2: 1 2
  align_corners nearest_floor 0 0 0 2.6 15: 1 1 1 4 4 4 2 2 2 8 8 8 5 5 5
  align_corners nearest_ceil 0 0 0 0.6666666666666666 4: 1 2 5 7
  align_corners nearest_ceil 0 0 0 1.5 9: 1 4 2 2 8 5 5 7 7
  align_corners nearest_ceil 0 0 0 0.45 2: 1 8
  align_corners nearest_ceil 0 0 0 2.6 15: 1 4 4 2 2 2 8 8 8 5 5 5 7 7 7
  align_corners linear 0 0 0 0.6666666666666666 4: 1 2.66667 7 7
  align_corners linear 0 0 0 1.5 9: 1 2.875 3.5 2.25 5 7.625 5.75 5.75 7
  align_corners linear 0 0 0 0.45 2: 1 7.64706
  align_corners linear 0 0 0 2.6 15: 1 2.0274 3.05479 3.94521 3.26027 2.57534 2.32877 4.38356 6.43836 7.75342 6.72603 5.69863 5.21918 5.90411 6.58904
  align_corners linear 0 1 0 0.6666666666666666 4: 1.6 3.23077 6.38462 6.6
  align_corners linear 0 1 0 1.5 9: 1 2.875 3.5 2.25 5 7.625 5.75 5.75 7
  align_corners linear 0 1 0 0.45 2: 1.76087 5.53299
  align_corners linear 0 1 0 2.6 15: 1 2.0274 3.05479 3.94521 3.26027 2.57534 2.32877 4.38356 6.43836 7.75342 6.72603 5.69863 5.21918 5.90411 6.58904
  align_corners linear 0 1 1 0.6666666666666666 4: 1.75 3.23077 6.38462 6.5
  align_corners linear 0 1 1 1.5 9: 1 2.875 3.5 2.25 5 7.625 5.75 5.75 7
  align_corners linear 0 1 1 0.45 2: 2.06061 5.53299
  align_corners linear 0 1 1 2.6 15: 1 2.0274 3.05479 3.94521 3.26027 2.57534 2.32877 4.38356 6.43836 7.75342 6.72603 5.69863 5.21918 5.90411 6.58904
  align_corners cubic -0.75 0 0 0.6666666666666666 4: 1 2.12963 7.61111 7
  align_corners cubic -0.75 0 0 1.5 9: 1 3.13867 3.65234 1.80908 5.09375 8.09668 5.67969 5.39111 7
  align_corners cubic -0.75 0 0 0.45 2: 1 7.83269
  align_corners cubic -0.75 0 0 2.6 15: 1 2.08986 3.33637 4.01283 3.23314 2.00761 2.19255 4.3073 6.8221 8.10296 7.23057 5.6087 4.98559 5.58685 6.56165
  align_corners cubic -0.75 0 1 0.6666666666666666 4: 1 2.12963 7.61111 7
  align_corners cubic -0.75 0 1 1.5 9: 1 3.00641 3.65234 1.80908 5.09375 8.09668 5.67969 5.49061 7
  align_corners cubic -0.75 0 1 0.45 2: 1 7.83269
  align_corners cubic -0.75 0 1 2.6 15: 1 1.98093 3.22301 4.01283 3.23314 2.00761 2.19255 4.3073 6.8221 8.10296 7.23057 5.6087 5.00162 5.69633 6.60051
  align_corners cubic -0.5 0 0 0.6666666666666666 4: 1 2.25926 7.48148 7
  align_corners cubic -0.5 0 0 1.5 9: 1 3.10938 3.66406 1.90137 5.0625 8.02148 5.60938 5.47168 7
  align_corners cubic -0.5 0 0 0.45 2: 1 7.86851
  align_corners cubic -0.5 0 0 2.6 15: 1 1.99809 3.32233 4.00708 3.28262 2.13884 2.14572 4.23432 6.8788 8.04949 7.09921 5.54323 5.01266 5.67677 6.63489
  align_corners cubic -0.5 0 1 0.6666666666666666 4: 1 2.25926 7.48148 7
  align_corners cubic -0.5 0 1 1.5 9: 1 3.02058 3.66406 1.90137 5.0625 8.02148 5.60938 5.53601 7
  align_corners cubic -0.5 0 1 0.45 2: 1 7.86851
  align_corners cubic -0.5 0 1 2.6 15: 1 1.92929 3.24597 4.00708 3.28262 2.13884 2.14572 4.23432 6.8788 8.04949 7.09921 5.54323 5.02323 5.74692 6.65712
  align_corners cubic -0.75 1 0 0.6666666666666666 4: 1.65854 3.19319 6.54278 6.43902
  align_corners cubic -0.75 1 0 1.5 9: 1 3.13867 3.65234 1.80908 5.09375 8.09668 5.67969 5.39111 7
  align_corners cubic -0.75 1 0 0.45 2: 1.53557 5.55607
  align_corners cubic -0.75 1 0 2.6 15: 1 2.08986 3.33637 4.01283 3.23314 2.00761 2.19255 4.3073 6.8221 8.10296 7.23057 5.6087 4.98559 5.58685 6.56165
  align_corners cubic -0.75 1 1 0.6666666666666666 4: 1.79412 3.15162 6.55144 6.32353
  align_corners cubic -0.75 1 1 1.5 9: 1 3.00641 3.65234 1.80908 5.09375 8.09668 5.67969 5.49061 7
  align_corners cubic -0.75 1 1 0.45 2: 1.73893 5.57702
  align_corners cubic -0.75 1 1 2.6 15: 1 1.98093 3.22301 4.01283 3.23314 2.00761 2.19255 4.3073 6.8221 8.10296 7.23057 5.6087 5.00162 5.69633 6.60051
  align_corners cubic -0.5 1 0 0.6666666666666666 4: 1.60976 3.10212 6.59154 6.5122
  align_corners cubic -0.5 1 0 1.5 9: 1 3.10938 3.66406 1.90137 5.0625 8.02148 5.60938 5.47168 7
  align_corners cubic -0.5 1 0 0.45 2: 1.62139 5.5429
  align_corners cubic -0.5 1 0 2.6 15: 1 1.99809 3.32233 4.00708 3.28262 2.13884 2.14572 4.23432 6.8788 8.04949 7.09921 5.54323 5.01266 5.67677 6.63489
  pytorch_half_pixel nearest_round_prefer_floor 0 0 0 0.6666666666666666 4: 1 2 8 7
  pytorch_half_pixel nearest_round_prefer_floor 0 0 0 1.5 9: 1 1 4 2 2 8 5 5 7
  pytorch_half_pixel nearest_round_prefer_floor 0 0 0 0.45 2: 4 8
  pytorch_half_pixel nearest_round_prefer_floor 0 0 0 2.6 15: 1 1 1 4 4 2 2 2 8 8 5 5 5 7 7
  pytorch_half_pixel nearest_round_prefer_ceil 0 0 0 0.6666666666666666 4: 1 2 8 7
  pytorch_half_pixel nearest_round_prefer_ceil 0 0 0 1.5 9: 1 4 4 2 8 8 5 7 7
  pytorch_half_pixel nearest_round_prefer_ceil 0 0 0 0.45 2: 4 8
  pytorch_half_pixel nearest_round_prefer_ceil 0 0 0 2.6 15: 1 1 1 4 4 2 2 2 8 8 5 5 5 7 7
  pytorch_half_pixel nearest_floor 0 0 0 0.6666666666666666 4: 1 4 8 5
  pytorch_half_pixel nearest_floor 0 0 0 1.5 9: 1 1 4 4 2 8 8 5 7
  pytorch_half_pixel nearest_floor 0 0 0 0.45 2: 1 2
  pytorch_half_pixel nearest_floor 0 0 0 2.6 15: 1 1 1 1 4 4 2 2 2 8 8 8 5 5 7
  pytorch_half_pixel nearest_ceil 0 0 0 0.6666666666666666 4: 4 2 5 7
  pytorch_half_pixel nearest_ceil 0 0 0 1.5 9: 1 4 2 2 8 5 5 7 7
  pytorch_half_pixel nearest_ceil 0 0 0 0.45 2: 4 8
  pytorch_half_pixel nearest_ceil 0 0 0 2.6 15: 1 4 4 4 2 2 2 8 8 5 5 5 7 7 7
  pytorch_half_pixel linear 0 0 0 0.6666666666666666 4: 1.75 2.5 7.25 6.5
  pytorch_half_pixel linear 0 0 0 1.5 9: 1 2.5 3.66667 2.33333 5 7.5 5.5 6 7
  pytorch_half_pixel linear 0 0 0 0.45 2: 2.83333 7
  pytorch_half_pixel linear 0 0 0 2.6 15: 1 1.23077 2.38462 3.53846 3.53846 2.76923 2 4.30769 6.61538 7.53846 6.38462 5.23077 5.61538 6.38462 7
  pytorch_half_pixel linear 0 1 0 0.6666666666666666 4: 2 3.33333 6.33333 6.33333
  pytorch_half_pixel linear 0 1 0 1.5 9: 1 2.5 3.66667 2.33333 5 7.5 5.5 6 7
  pytorch_half_pixel linear 0 1 0 0.45 2: 2.29545 5.34831
  pytorch_half_pixel linear 0 1 0 2.6 15: 1 1.23077 2.38462 3.53846 3.53846 2.76923 2 4.30769 6.61538 7.53846 6.38462 5.23077 5.61538 6.38462 7
  pytorch_half_pixel linear 0 1 1 0.6666666666666666 4: 2.125 3.33333 6.33333 6.25
  pytorch_half_pixel linear 0 1 1 1.5 9: 1 2.5 3.66667 2.33333 5 7.5 5.5 6 7
  pytorch_half_pixel linear 0 1 1 0.45 2: 2.48052 5.34831
  pytorch_half_pixel linear 0 1 1 2.6 15: 1 1.23077 2.38462 3.53846 3.53846 2.76923 2 4.30769 6.61538 7.53846 6.38462 5.23077 5.61538 6.38462 7
  pytorch_half_pixel cubic -0.75 0 0 0.6666666666666666 4: 1.75 1.92578 7.88281 6.44141
  pytorch_half_pixel cubic -0.75 0 0 1.5 9: 0.739583 2.6875 3.86921 1.81829 5.09375 8.05556 5.36111 5.71875 7.17361
  pytorch_half_pixel cubic -0.75 0 0 0.45 2: 3.09079 7.36458
  pytorch_half_pixel cubic -0.75 0 0 2.6 15: 0.668184 1.1939 2.54233 3.77128 3.70915 2.29131 2 4.21211 7.00455 8.07169 6.68571 5.11197 5.2426 6.27811 7.09832
  pytorch_half_pixel cubic -0.75 0 1 0.6666666666666666 4: 1.67845 1.92578 7.88281 6.4947
  pytorch_half_pixel cubic -0.75 0 1 1.5 9: 0.695946 2.54286 3.86921 1.81829 5.09375 8.05556 5.36111 5.82857 7.2027
  pytorch_half_pixel cubic -0.75 0 1 0.45 2: 2.95526 7.36458
  pytorch_half_pixel cubic -0.75 0 1 2.6 15: 0.534483 1.18482 2.40165 3.73027 3.70915 2.29131 2 4.21211 7.00455 8.07169 6.68571 5.11197 5.32495 6.35 7.1048
  pytorch_half_pixel cubic -0.5 0 0 0.6666666666666666 4: 1.65625 2.05469 7.76562 6.52344
  pytorch_half_pixel cubic -0.5 0 0 1.5 9: 0.826389 2.625 3.86343 1.92824 5.0625 7.96296 5.31481 5.8125 7.11574
  pytorch_half_pixel cubic -0.5 0 0 0.45 2: 3.05778 7.42824
  pytorch_half_pixel cubic -0.5 0 0 2.6 15: 0.778789 1.14611 2.47064 3.7838 3.71598 2.4142 2 4.13473 7.066 7.98407 6.56623 5.09149 5.31224 6.36823 7.06554
  pytorch_half_pixel cubic -0.5 0 1 0.6666666666666666 4: 1.61314 2.05469 7.76562 6.55474
  pytorch_half_pixel cubic -0.5 0 1 1.5 9: 0.802632 2.52941 3.86343 1.92824 5.0625 7.96296 5.31481 5.88235 7.13158
  pytorch_half_pixel cubic -0.5 0 1 0.45 2: 2.96689 7.42824
  pytorch_half_pixel cubic -0.5 0 1 2.6 15: 0.698324 1.14147 2.37841 3.7562 3.71598 2.4142 2 4.13473 7.066 7.98407 6.56623 5.09149 5.3658 6.41162 7.06877
  pytorch_half_pixel cubic -0.75 1 0 0.6666666666666666 4: 2.04861 3.31713 6.48843 6.20833
  pytorch_half_pixel cubic -0.75 1 0 1.5 9: 0.739583 2.6875 3.86921 1.81829 5.09375 8.05556 5.36111 5.71875 7.17361
  pytorch_half_pixel cubic -0.75 1 0 0.45 2: 2.14576 5.42768
  pytorch_half_pixel cubic -0.75 1 0 2.6 15: 0.668184 1.1939 2.54233 3.77128 3.70915 2.29131 2 4.21211 7.00455 8.07169 6.68571 5.11197 5.2426 6.27811 7.09832
  pytorch_half_pixel cubic -0.75 1 1 0.6666666666666666 4: 2.09774 3.29062 6.49428 6.17124
  pytorch_half_pixel cubic -0.75 1 1 1.5 9: 0.695946 2.54286 3.86921 1.81829 5.09375 8.05556 5.36111 5.82857 7.2027
  pytorch_half_pixel cubic -0.75 1 1 0.45 2: 2.22193 5.42758
  pytorch_half_pixel cubic -0.75 1 1 2.6 15: 0.534483 1.18482 2.40165 3.73027 3.70915 2.29131 2 4.21211 7.00455 8.07169 6.68571 5.11197 5.32495 6.35 7.1048
  pytorch_half_pixel cubic -0.5 1 0 0.6666666666666666 4: 2.03241 3.19907 6.56019 6.25
  pytorch_half_pixel cubic -0.5 1 0 1.5 9: 0.826389 2.625 3.86343 1.92824 5.0625 7.96296 5.31481 5.8125 7.11574
  pytorch_half_pixel cubic -0.5 1 0 0.45 2: 2.22242 5.40923
  pytorch_half_pixel cubic -0.5 1 0 2.6 15: 0.778789 1.14611 2.47064 3.7838 3.71598 2.4142 2 4.13473 7.066 7.98407 6.56623 5.09149 5.31224 6.36823 7.06554
  half_pixel_symmetric nearest_round_prefer_floor 0 0 0 0.6666666666666666 4: 1 2 8 7
  half_pixel_symmetric nearest_round_prefer_floor 0 0 0 1.5 9: 1 1 4 2 2 8 5 5 7
  half_pixel_symmetric nearest_round_prefer_floor 0 0 0 0.45 2: 4 5
  half_pixel_symmetric nearest_round_prefer_floor 0 0 0 2.6 15: 1 1 4 4 4 2 2 2 8 8 5 5 5 7 7
  half_pixel_symmetric nearest_round_prefer_ceil 0 0 0 0.6666666666666666 4: 1 2 8 7
  half_pixel_symmetric nearest_round_prefer_ceil 0 0 0 1.5 9: 1 4 4 2 8 8 5 7 7
  half_pixel_symmetric nearest_round_prefer_ceil 0 0 0 0.45 2: 4 5
  half_pixel_symmetric nearest_round_prefer_ceil 0 0 0 2.6 15: 1 1 4 4 4 2 2 8 8 8 5 5 5 7 7
  half_pixel_symmetric nearest_floor 0 0 0 0.6666666666666666 4: 1 4 8 5
  half_pixel_symmetric nearest_floor 0 0 0 1.5 9: 1 1 4 4 2 8 8 5 7
  half_pixel_symmetric nearest_floor 0 0 0 0.45 2: 4 8
  half_pixel_symmetric nearest_floor 0 0 0 2.6 15: 1 1 1 1 4 4 2 2 2 8 8 5 5 5 7
  half_pixel_symmetric nearest_ceil 0 0 0 0.6666666666666666 4: 4 2 5 7
  half_pixel_symmetric nearest_ceil 0 0 0 1.5 9: 1 4 2 2 8 5 5 7 7
  half_pixel_symmetric nearest_ceil 0 0 0 0.45 2: 2 5
  half_pixel_symmetric nearest_ceil 0 0 0 2.6 15: 1 4 4 4 2 2 8 8 8 5 5 7 7 7 7
  half_pixel_symmetric linear 0 0 0 0.6666666666666666 4: 1.75 2.5 7.25 6.5
  half_pixel_symmetric linear 0 0 0 1.5 9: 1 2.5 3.66667 2.33333 5 7.5 5.5 6 7
  half_pixel_symmetric linear 0 0 0 0.45 2: 3.22222 6.16667
  half_pixel_symmetric linear 0 0 0 2.6 15: 1 1.57692 2.73077 3.88462 3.30769 2.53846 2.69231 5 7.30769 7.19231 6.03846 5.07692 5.84615 6.61538 7
  half_pixel_symmetric linear 0 1 0 0.6666666666666666 4: 2 3.33333 6.33333 6.33333
  half_pixel_symmetric linear 0 1 0 1.5 9: 1 2.5 3.66667 2.33333 5 7.5 5.5 6 7
  half_pixel_symmetric linear 0 1 0 0.45 2: 3.32955 5.95455
  half_pixel_symmetric linear 0 1 0 2.6 15: 1 1.57692 2.73077 3.88462 3.30769 2.53846 2.69231 5 7.30769 7.19231 6.03846 5.07692 5.84615 6.61538 7
  half_pixel_symmetric linear 0 1 1 0.6666666666666666 4: 2.125 3.33333 6.33333 6.25
  half_pixel_symmetric linear 0 1 1 1.5 9: 1 2.5 3.66667 2.33333 5 7.5 5.5 6 7
  half_pixel_symmetric linear 0 1 1 0.45 2: 3.32955 5.95455
  half_pixel_symmetric linear 0 1 1 2.6 15: 1 1.57692 2.73077 3.88462 3.30769 2.53846 2.69231 5 7.30769 7.19231 6.03846 5.07692 5.84615 6.61538 7
  half_pixel_symmetric cubic -0.75 0 0 0.6666666666666666 4: 1.75 1.92578 7.88281 6.44141
  half_pixel_symmetric cubic -0.75 0 0 1.5 9: 0.739583 2.6875 3.86921 1.81829 5.09375 8.05556 5.36111 5.71875 7.17361
  half_pixel_symmetric cubic -0.75 0 0 0.45 2: 3.15951 6.3251
  half_pixel_symmetric cubic -0.75 0 0 2.6 15: 0.717726 1.55004 2.97016 3.96356 3.32293 1.96525 2.46559 5.09375 7.61096 7.82795 6.11681 4.97984 5.51054 6.59597 7.18818
  half_pixel_symmetric cubic -0.75 0 1 0.6666666666666666 4: 1.67845 1.92578 7.88281 6.4947
  half_pixel_symmetric cubic -0.75 0 1 1.5 9: 0.695946 2.54286 3.86921 1.81829 5.09375 8.05556 5.36111 5.82857 7.2027
  half_pixel_symmetric cubic -0.75 0 1 0.45 2: 3.15951 6.3251
  half_pixel_symmetric cubic -0.75 0 1 2.6 15: 0.66056 1.50274 2.82854 3.9604 3.32293 1.96525 2.46559 5.09375 7.61096 7.82795 6.11681 4.982 5.61761 6.63072 7.22629
  half_pixel_symmetric cubic -0.5 0 0 0.6666666666666666 4: 1.65625 2.05469 7.76562 6.52344
  half_pixel_symmetric cubic -0.5 0 0 1.5 9: 0.826389 2.625 3.86343 1.92824 5.0625 7.96296 5.31481 5.8125 7.11574
  half_pixel_symmetric cubic -0.5 0 0 0.45 2: 3.21562 6.21948
  half_pixel_symmetric cubic -0.5 0 0 2.6 15: 0.811817 1.46342 2.92791 3.97138 3.36428 2.09578 2.38413 5.0625 7.6669 7.70687 6.02105 4.98945 5.59738 6.66616 7.12546
  half_pixel_symmetric cubic -0.5 0 1 0.6666666666666666 4: 1.61314 2.05469 7.76562 6.55474
  half_pixel_symmetric cubic -0.5 0 1 1.5 9: 0.802632 2.52941 3.86343 1.92824 5.0625 7.96296 5.31481 5.88235 7.13158
  half_pixel_symmetric cubic -0.5 0 1 0.45 2: 3.21562 6.21948
  half_pixel_symmetric cubic -0.5 0 1 2.6 15: 0.780028 1.43606 2.83326 3.96927 3.36428 2.09578 2.38413 5.0625 7.6669 7.70687 6.02105 4.99087 5.66624 6.68587 7.14665
  half_pixel_symmetric cubic -0.75 1 0 0.6666666666666666 4: 2.04861 3.31713 6.48843 6.20833
  half_pixel_symmetric cubic -0.75 1 0 1.5 9: 0.739583 2.6875 3.86921 1.81829 5.09375 8.05556 5.36111 5.71875 7.17361
  half_pixel_symmetric cubic -0.75 1 0 0.45 2: 3.23881 6.1784
  half_pixel_symmetric cubic -0.75 1 0 2.6 15: 0.717726 1.55004 2.97016 3.96356 3.32293 1.96525 2.46559 5.09375 7.61096 7.82795 6.11681 4.97984 5.51054 6.59597 7.18818
  half_pixel_symmetric cubic -0.75 1 1 0.6666666666666666 4: 2.09774 3.29062 6.49428 6.17124
  half_pixel_symmetric cubic -0.75 1 1 1.5 9: 0.695946 2.54286 3.86921 1.81829 5.09375 8.05556 5.36111 5.82857 7.2027
  half_pixel_symmetric cubic -0.75 1 1 0.45 2: 3.10835 6.22628
  half_pixel_symmetric cubic -0.75 1 1 2.6 15: 0.66056 1.50274 2.82854 3.9604 3.32293 1.96525 2.46559 5.09375 7.61096 7.82795 6.11681 4.982 5.61761 6.63072 7.22629
  half_pixel_symmetric cubic -0.5 1 0 0.6666666666666666 4: 2.03241 3.19907 6.56019 6.25
  half_pixel_symmetric cubic -0.5 1 0 1.5 9: 0.826389 2.625 3.86343 1.92824 5.0625 7.96296 5.31481 5.8125 7.11574
  half_pixel_symmetric cubic -0.5 1 0 0.45 2: 3.21843 6.16149
  half_pixel_symmetric cubic -0.5 1 0 2.6 15: 0.811817 1.46342 2.92791 3.97138 3.36428 2.09578 2.38413 5.0625 7.6669 7.70687 6.02105 4.98945 5.59738 6.66616 7.12546
  tf_crop_and_resize nearest_round_prefer_floor 0 0 0 0.6666666666666666 4: 4 2 8 5
  tf_crop_and_resize nearest_round_prefer_floor 0 0 0 1.5 9: 4 4 2 2 8 8 5 5 5
  tf_crop_and_resize nearest_round_prefer_floor 0 0 0 0.45 2: 4 8
  tf_crop_and_resize nearest_round_prefer_floor 0 0 0 2.6 15: 4 4 4 2 2 2 2 8 8 8 8 5 5 5 5
  tf_crop_and_resize nearest_round_prefer_ceil 0 0 0 0.6666666666666666 4: 4 2 8 7
  tf_crop_and_resize nearest_round_prefer_ceil 0 0 0 1.5 9: 4 4 2 2 8 8 5 5 7
  tf_crop_and_resize nearest_round_prefer_ceil 0 0 0 0.45 2: 4 8
  tf_crop_and_resize nearest_round_prefer_ceil 0 0 0 2.6 15: 4 4 4 2 2 2 2 8 8 8 8 5 5 5 5
  tf_crop_and_resize nearest_floor 0 0 0 0.6666666666666666 4: 4 2 8 5
  tf_crop_and_resize nearest_floor 0 0 0 1.5 9: 4 4 4 2 2 8 8 5 5
  tf_crop_and_resize nearest_floor 0 0 0 0.45 2: 4 8
  tf_crop_and_resize nearest_floor 0 0 0 2.6 15: 4 4 4 4 4 2 2 2 2 8 8 8 8 5 5
  tf_crop_and_resize nearest_ceil 0 0 0 0.6666666666666666 4: 4 8 5 7
  tf_crop_and_resize nearest_ceil 0 0 0 1.5 9: 4 2 2 8 8 5 5 7 7
  tf_crop_and_resize nearest_ceil 0 0 0 0.45 2: 4 5
  tf_crop_and_resize nearest_ceil 0 0 0 2.6 15: 4 2 2 2 2 8 8 8 8 5 5 5 5 7 7
  tf_crop_and_resize linear 0 0 0 0.6666666666666666 4: 4 3 7 6
  tf_crop_and_resize linear 0 0 0 1.5 9: 4 3.125 2.25 3.875 6.5 7.4375 6.125 5.125 6
  tf_crop_and_resize linear 0 0 0 0.45 2: 4 7.82353
  tf_crop_and_resize linear 0 0 0 2.6 15: 4 3.52055 3.0411 2.56164 2.08219 3.19178 4.63014 6.06849 7.50685 7.5274 6.80822 6.08904 5.36986 5.23288 5.71233
  tf_crop_and_resize linear 0 1 0 0.6666666666666666 4: 3 4 6.38462 6
  tf_crop_and_resize linear 0 1 0 1.5 9: 4 3.125 2.25 3.875 6.5 7.4375 6.125 5.125 6
  tf_crop_and_resize linear 0 1 0 0.45 2: 2.84783 5.6727
  tf_crop_and_resize linear 0 1 0 2.6 15: 4 3.52055 3.0411 2.56164 2.08219 3.19178 4.63014 6.06849 7.50685 7.5274 6.80822 6.08904 5.36986 5.23288 5.71233
  tf_crop_and_resize linear 0 1 1 0.6666666666666666 4: 3 4 6.38462 6
  tf_crop_and_resize linear 0 1 1 1.5 9: 4 3.125 2.25 3.875 6.5 7.4375 6.125 5.125 6
  tf_crop_and_resize linear 0 1 1 0.45 2: 2.93182 5.6727
  tf_crop_and_resize linear 0 1 1 2.6 15: 4 3.52055 3.0411 2.56164 2.08219 3.19178 4.63014 6.06849 7.50685 7.5274 6.80822 6.08904 5.36986 5.23288 5.71233
  tf_crop_and_resize cubic -0.75 0 0 0.6666666666666666 4: 4 2.73958 7.61111 5.71875
  tf_crop_and_resize cubic -0.75 0 0 1.5 9: 4 2.96735 1.80908 3.68365 6.88672 8.02307 6.25684 4.97577 5.71875
  tf_crop_and_resize cubic -0.75 0 0 0.45 2: 4 8.08976
  tf_crop_and_resize cubic -0.75 0 0 2.6 15: 4 3.68314 2.80007 1.99138 1.89771 2.92767 4.62002 6.41274 7.74788 8.06736 7.35189 6.19832 5.22661 4.98889 5.34716
  tf_crop_and_resize cubic -0.75 0 1 0.6666666666666666 4: 4 2.73958 7.61111 5.82857
  tf_crop_and_resize cubic -0.75 0 1 1.5 9: 4 2.96735 1.80908 3.68365 6.88672 8.02307 6.25684 4.98131 5.82857
  tf_crop_and_resize cubic -0.75 0 1 0.45 2: 4 8.08976
  tf_crop_and_resize cubic -0.75 0 1 2.6 15: 4 3.68314 2.80007 1.99138 1.89771 2.92767 4.62002 6.41274 7.74788 8.06736 7.35189 6.19832 5.22661 5.0068 5.44256
  tf_crop_and_resize cubic -0.5 0 0 0.6666666666666666 4: 4 2.6412 7.48148 5.8125
  tf_crop_and_resize cubic -0.5 0 0 1.5 9: 4 3.04041 1.90137 3.5863 6.94531 7.9231 6.1543 4.99133 5.8125
  tf_crop_and_resize cubic -0.5 0 0 0.45 2: 4 8.04987
  tf_crop_and_resize cubic -0.5 0 0 2.6 15: 4 3.69219 2.88725 2.12245 1.93509 2.82382 4.56268 6.45349 7.79361 7.97827 7.21987 6.09854 5.19292 5.0176 5.4249
  tf_crop_and_resize cubic -0.5 0 1 0.6666666666666666 4: 4 2.6412 7.48148 5.88235
  tf_crop_and_resize cubic -0.5 0 1 1.5 9: 4 3.04041 1.90137 3.5863 6.94531 7.9231 6.1543 4.995 5.88235
  tf_crop_and_resize cubic -0.5 0 1 0.45 2: 4 8.04987
  tf_crop_and_resize cubic -0.5 0 1 2.6 15: 4 3.69219 2.88725 2.12245 1.93509 2.82382 4.56268 6.45349 7.79361 7.97827 7.21987 6.09854 5.19292 5.02941 5.4867
  tf_crop_and_resize cubic -0.75 1 0 0.6666666666666666 4: 2.70732 4.20864 6.54278 6.1125
  tf_crop_and_resize cubic -0.75 1 0 1.5 9: 4 2.96735 1.80908 3.68365 6.88672 8.02307 6.25684 4.97577 5.71875
  tf_crop_and_resize cubic -0.75 1 0 0.45 2: 2.65984 5.68531
  tf_crop_and_resize cubic -0.75 1 0 2.6 15: 4 3.68314 2.80007 1.99138 1.89771 2.92767 4.62002 6.41274 7.74788 8.06736 7.35189 6.19832 5.22661 4.98889 5.34716
  tf_crop_and_resize cubic -0.75 1 1 0.6666666666666666 4: 2.59091 4.20864 6.55144 6.14458
  tf_crop_and_resize cubic -0.75 1 1 1.5 9: 4 2.96735 1.80908 3.68365 6.88672 8.02307 6.25684 4.98131 5.82857
  tf_crop_and_resize cubic -0.75 1 1 0.45 2: 2.6261 5.72627
  tf_crop_and_resize cubic -0.75 1 1 2.6 15: 4 3.68314 2.80007 1.99138 1.89771 2.92767 4.62002 6.41274 7.74788 8.06736 7.35189 6.19832 5.22661 5.0068 5.44256
  tf_crop_and_resize cubic -0.5 1 0 0.6666666666666666 4: 2.85366 4.08091 6.59154 6.075
  tf_crop_and_resize cubic -0.5 1 0 1.5 9: 4 3.04041 1.90137 3.5863 6.94531 7.9231 6.1543 4.99133 5.8125
  tf_crop_and_resize cubic -0.5 1 0 0.45 2: 2.67637 5.67755
  tf_crop_and_resize cubic -0.5 1 0 2.6 15: 4 3.69219 2.88725 2.12245 1.93509 2.82382 4.56268 6.45349 7.79361 7.97827 7.21987 6.09854 5.19292 5.0176 5.4249
  """
