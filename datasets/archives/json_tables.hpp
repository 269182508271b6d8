// JSON files that hold tables, arrays of objects (COCO's form: "images", "annotations"), read row by row: a
// gigabyte of them takes the memory of one row. Values that are no text, number or truth value are passed
// over. Throws: Error(bad_data) naming file and byte for what is no JSON, or ends early; Error(io).
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

namespace vitrail::datasets {

using JsonRow = std::map<std::string, std::string>;  // numbers as they are written; integers without a point

// `table` is the array's name in the outermost object, or empty where the file is one array.
void read_json_tables(const std::filesystem::path& path,
                      const std::function<void(const std::string& table, const JsonRow& row)>& on_row);

}  // namespace vitrail::datasets
