// SPDX-License-Identifier: Apache-2.0
// Names what is on a picture, and draws where the network saw it.
//
//     explain MODEL.onnx PICTURE.ppm OUT.pgm
//
// The picture is squeezed to 224 x 224; other programs will crop first.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "cnnlens.h"

namespace
{

const int64_t side = 224;

void check(cnnlens_status status)
{
    if (status != CNNLENS_OK)
        throw std::runtime_error(cnnlens_last_error());
}

struct Picture {
    int width, height;
    std::string bytes;
};

Picture read_ppm(const char *path)
{
    std::ifstream file(path, std::ios::binary);
    std::string magic;
    int largest = 0;
    Picture picture = { 0, 0, "" };
    file >> magic >> picture.width >> picture.height >> largest;
    file.get();
    picture.bytes.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    const bool fits =
        picture.width > 0 && picture.height > 0 &&
        picture.bytes.size() / 3 / static_cast<std::size_t>(picture.width) == static_cast<std::size_t>(picture.height);
    if (!file || magic != "P6" || largest != 255 || !fits)
        throw std::runtime_error(std::string(path) + " is not a binary PPM (P6) of 8 bits");
    return picture;
}

// N x C x H x W in [0, 1], the nearest pixel of the picture for each.
std::vector<float> planes(const Picture &picture)
{
    std::vector<float> result(static_cast<std::size_t>(3 * side * side));
    std::size_t place = 0;
    for (int channel = 0; channel < 3; channel++)
        for (int64_t y = 0; y < side; y++)
            for (int64_t x = 0; x < side; x++) {
                const std::size_t row = static_cast<std::size_t>(y * picture.height / side);
                const std::size_t column = static_cast<std::size_t>(x * picture.width / side);
                const std::size_t pixel = row * static_cast<std::size_t>(picture.width) + column;
                const unsigned char byte =
                    static_cast<unsigned char>(picture.bytes[3 * pixel + static_cast<std::size_t>(channel)]);
                result[place++] = static_cast<float>(byte) / 255.0f;
            }
    return result;
}

void write_pgm(const char *path, const std::vector<float> &map)
{
    const float largest = std::max(*std::max_element(map.begin(), map.end()), 1e-20f);
    std::ofstream file(path, std::ios::binary);
    file << "P5\n" << side << " " << side << "\n255\n";
    for (std::size_t i = 0; i < map.size(); i++)
        file.put(static_cast<char>(static_cast<unsigned char>(255.0f * map[i] / largest + 0.5f)));
    if (!file)
        throw std::runtime_error(std::string(path) + " cannot be written");
}

void explain(const char *model_path, const char *picture_path, const char *out_path)
{
    cnnlens_model *file = nullptr, *model = nullptr;
    cnnlens_session *session = nullptr;
    std::vector<float> pixels = planes(read_ppm(picture_path));
    std::vector<float> map(static_cast<std::size_t>(side * side));
    cnnlens_array image = { pixels.data(), 4, { 1, 3, side, side } };
    cnnlens_array out = { map.data(), 3, { 1, side, side } };

    check(cnnlens_model_open(&file, model_path));
    check(cnnlens_model_seeing_images(&model, file, nullptr));
    check(cnnlens_session_new(&session, model));

    int64_t classes[5];
    float probabilities[5];
    check(cnnlens_predict(classes, probabilities, 5, session, &image));
    for (int rank = 0; rank < 5; rank++) {
        const char *label = cnnlens_model_label(model, classes[rank]);
        std::printf("%6.2f %%  %s\n", 100.0 * static_cast<double>(probabilities[rank]), label ? label : "?");
    }

    check(cnnlens_grad_cam(&out, session, &image, nullptr, nullptr));
    std::printf("Grad-CAM at %s: %s\n", cnnlens_session_layer(session), out_path);
    write_pgm(out_path, map);

    cnnlens_session_free(session);
    cnnlens_model_free(model);
    cnnlens_model_free(file);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4) {
        std::cerr << "usage: explain MODEL.onnx PICTURE.ppm OUT.pgm\n";
        return 2;
    }
    try {
        explain(argv[1], argv[2], argv[3]);
    } catch (const std::exception &error) {
        std::cerr << "explain: " << error.what() << "\n";
        return 1;
    }
    return 0;
}
