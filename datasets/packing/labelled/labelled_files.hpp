// Collections that are files and a list of their labels: what each kind of list says, as one value, and the
// source that is made of it. Only what is listed is part of the pack. Throws: Error(bad_data) naming list and
// line; Error(refused) for a split or a choice of labels that a collection does not have; Error(io).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "datasets/packing/pack_sources.hpp"

namespace vitrail::datasets {

struct LabelledFile {
  std::string path;  // below the folder; its key in the pack
  std::optional<std::uint32_t> label;
};

struct LabelledFiles {
  std::string kind;              // first word of the source's identity
  std::filesystem::path folder;  // that holds the files
  std::string list;              // what names them, for messages
  std::vector<LabelledFile> files;
  std::vector<ClassEntry> classes;
  std::string selection = {};  // which labels, where there are several
  std::vector<std::string> warnings = {};
};

// LIST[,FOLDER]: a table (table_file.hpp) of paths below FOLDER, or the list's own folder, and labels. Where
// its first line names columns, --labels says which; else they are the first two.
LabelledFiles read_csv_list(const std::string& paths, const SourceOptions& options);

// DIR as the archives unpack: jpg/, imagelabels.mat, setid.mat. Splits train, val, trainval, test.
LabelledFiles read_flowers102(const std::filesystem::path& folder, const SourceOptions& options);

// DIR with cars_train/, cars_test/ and the annotations, there or in devkit/. Splits train, test.
LabelledFiles read_cars(const std::filesystem::path& folder, const SourceOptions& options);

// DIR with images/ and meta/. Splits train, test.
LabelledFiles read_food101(const std::filesystem::path& folder, const SourceOptions& options);

// train2018.json and its like; the images lie below its folder. Labels are species, or any rank of
// categories.json (or of the file's own categories) by --labels.
LabelledFiles read_inaturalist(const std::filesystem::path& file, const SourceOptions& options);

// DIR as Kaggle's imagenet-object-localization-challenge unpacks. Splits train, val.
LabelledFiles read_kaggle_imagenet(const std::filesystem::path& folder, const SourceOptions& options);

std::unique_ptr<Source> open_labelled_files(LabelledFiles files, const SourceOptions& options);

// One of `splits`, or Error(refused).
void require_split(const SourceOptions& options, const std::vector<std::string>& splits);

}  // namespace vitrail::datasets
