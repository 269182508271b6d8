// Image files for test archives: textures whose structure depends on their class, so that there is something
// to learn, and files as awkward as those of real collections. Pure functions of their arguments.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/pixels/image.hpp"

namespace vitrail::tests {

// Gratings whose directions, frequencies and colours belong to the class; phases and noise to the image.
datasets::Image texture(std::uint64_t seed, int class_number, std::uint64_t image_number, int width,
                        int height);

std::string jpeg(const datasets::Image& image, int quality);
std::string grey_jpeg(const datasets::Image& image, int quality);
std::string cmyk_jpeg(const datasets::Image& image, int quality);
std::string png(const datasets::Image& image);

std::string with_exif_rotation(const std::string& jpeg);                 // orientation 6: turn by 90 degrees
std::string with_claimed_size(std::string jpeg, int width, int height);  // the header lies

struct AwkwardFile {
  std::string name;  // what it is, in a few words and without blanks
  std::string bytes;
  std::string reason;  // part of why it is quarantined; empty if it is accepted
};
std::vector<AwkwardFile> awkward_files(std::uint64_t seed);

}  // namespace vitrail::tests
