// The right side of a line in a grid file: values to take in turn, or a law to draw from.
// Throws: Error(usage) beginning with `place`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vitrail::launcher {

std::vector<std::string> split_values(const std::string& text, const std::string& place);

// Draw number `draw` of "log(a, b)", "uniform(a, b)", "integers(a, b)" or "x, y, z", for one key. A pure
// function of its arguments: neither other keys nor the number of draws change it. Numbers have four digits.
class DrawLaw {
 public:
  DrawLaw(const std::string& key, const std::string& text, const std::string& place);

  std::string draw(std::uint64_t seed, std::uint64_t number) const;

 private:
  enum class Kind { log, uniform, integers, choice };

  Kind kind_ = Kind::choice;
  double low_ = 0, high_ = 0;
  std::vector<std::string> choices_;
  std::uint64_t stream_;
};

}  // namespace vitrail::launcher
