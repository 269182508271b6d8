// MATLAB files of level 5, byte by byte after MathWorks' "MAT-File Format" (chapter 1); scipy.io.loadmat and
// libmatio read them. Variables are written one after another behind the header.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vitrail::tests {

std::string matlab_header(const std::string& text);
std::string matlab_compressed(const std::string& variables);  // one element of it

// Values: of a struct's field or a cell (no name), or a variable.
std::string matlab_number(double value, const std::string& name = "");
std::string matlab_numbers(const std::vector<double>& row, const std::string& name = "");  // 1 x n
std::string matlab_text(const std::string& value, const std::string& name = "");
std::string matlab_cells(const std::vector<std::string>& values, const std::string& name);  // 1 x n
// 1 x n structs: `values` holds those of each field of the first, then of the second...
std::string matlab_structs(const std::vector<std::string>& fields, const std::vector<std::string>& values,
                           const std::string& name);

}  // namespace vitrail::tests
