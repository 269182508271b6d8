// Lists that say which class each image has: lines of FILE,LABEL (Kaggle's LOC_val_solution.csv), or FILE and
// LABEL with a tab or blanks between them. The label is the second field; of "n03995372 85 1 499 272", a
// class with its boxes, the first word. Throws: Error(bad_data) naming the line; Error(io).
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace vitrail::datasets {

struct LabelLine {
  std::string file, label;
  std::size_t line = 0;         // from 1
  std::string class_name = {};  // of a column `class` beside that of the labels, where there is one
};

std::string label_in(const std::string& field);  // without boxes behind it

// A table with columns that are named: its first line is a header if it has the column `label`, or a usual
// name of paths. Error(refused) where several columns may be the label, or none is called so.
std::vector<LabelLine> read_labelled_table(const std::filesystem::path& path, const std::string& label = {});

std::vector<LabelLine> read_label_list(const std::filesystem::path& path);

}  // namespace vitrail::datasets
