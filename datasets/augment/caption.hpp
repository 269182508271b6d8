// Small print under a picture: capitals of 3 x 5 dots, lower case as upper, what it does not know as "?".
#pragma once

#include <string>
#include <vector>

#include "datasets/pixels/image.hpp"

namespace vitrail::datasets {

inline constexpr int kCaptionLine = 7;    // pixels from one line to the next, at scale 1
inline constexpr int kCaptionLetter = 4;  // from one letter to the next

// Broken at blanks where it can be; a character of UTF-8 is a letter.
std::vector<std::string> caption_lines(const std::string& text, int letters);

// In black; what does not lie inside of the image is left out.
void draw_caption(const std::vector<std::string>& lines, int left, int top, int scale, Image& image);

}  // namespace vitrail::datasets
