// Variables out of a MATLAB file of level 5 (MathWorks, "MAT-File Format", chapter 1), little-endian,
// compressed or not: as much of the format as the annotations of ImageNet, Flowers-102 and Cars need. In
// structs, texts and real numeric arrays are read, other fields (cells, nested structs) are passed over.
// Nothing is believed before it is checked; at most 64 MiB are inflated. Throws: Error(bad_data) naming the
// file.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace vitrail::datasets {

struct MatlabValue {
  std::string text;             // of a char array of one row, as UTF-8
  std::vector<double> numbers;  // of a real numeric array, column by column
};

struct MatlabStructs {
  std::vector<std::string> fields;
  std::vector<std::vector<MatlabValue>> rows;  // of each struct, a value for each field

  std::size_t field(const std::string& name, const std::string& path) const;  // its place in `fields`
};

// The variable of this name. `path` is for messages.
MatlabStructs read_matlab_structs(std::span<const std::byte> file, const std::string& variable,
                                  const std::string& path);

// A real numeric array, column by column, and a cell array of texts of one row.
std::vector<double> read_matlab_numbers(std::span<const std::byte> file, const std::string& variable,
                                        const std::string& path);
std::vector<std::string> read_matlab_texts(std::span<const std::byte> file, const std::string& variable,
                                           const std::string& path);

}  // namespace vitrail::datasets
