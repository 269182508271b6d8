// An IDX file of unsigned bytes (the format of MNIST: Y. LeCun, yann.lecun.com/exdb/mnist), plain or gzip.
// The claims of the header are checked against what is there; nothing is allocated on its word alone.
// Throws: Error(bad_data) naming file and cause; Error(io).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace vitrail::datasets {

struct IdxArray {
  std::vector<std::size_t> shape;
  std::vector<std::uint8_t> values;  // row-major
};

IdxArray read_idx(const std::string& path, std::size_t dimensions);

}  // namespace vitrail::datasets
