// The kinds of sources behind open_source (pack_sources.hpp), one file each.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "datasets/packing/pack_sources.hpp"

namespace vitrail::datasets {

// A folder per class, in name order; every file below it is taken for an image, also in sub-folders.
std::unique_ptr<Source> open_folder_source(const std::filesystem::path& folder, const SourceOptions& options);

// Every file below a folder, without labels.
std::unique_ptr<Source> open_image_tree(const std::filesystem::path& folder, const SourceOptions& options);

// FOLDER,LABELS: images of all classes in one folder, and a list of FILE,LABEL (label_list.hpp).
std::unique_ptr<Source> open_flat_source(const std::string& paths, const SourceOptions& options);

// The tars of Hugging Face's imagenet-1k, plain or compressed: images whose names end with their class's
// wnid. A folder of them, or one or more joined by commas.
std::unique_ptr<Source> open_huggingface_source(const std::string& paths, const SourceOptions& options);

// IMAGES,LABELS: MNIST's format, plain or gzip. Each image becomes a lossless PNG; classes are "0", "1", ...
std::unique_ptr<Source> open_idx_source(const std::string& files, const SourceOptions& options);

// CIFAR-10 and -100 ("cifar10", "cifar100"), binary version: its folder or archive, read into memory. Each
// image becomes a lossless PNG.
std::unique_ptr<Source> open_cifar_source(const std::string& kind, const std::string& path,
                                          const SourceOptions& options);

// Tars of WebDataset's form: a folder of them, or a pattern (brace_pattern.hpp).
std::unique_ptr<Source> open_webdataset_source(const std::string& pattern, const SourceOptions& options);

// The validation images of ImageNet-1k: a tar of files whose labels are in the devkit.
std::unique_ptr<Source> open_imagenet_val(const std::filesystem::path& archive, const SourceOptions& options);

// The same archives as class_archives.hpp, but in one compressed tar, which can only be read from end to end.
std::unique_ptr<Source> open_class_stream(const std::string& kind, const std::filesystem::path& archive,
                                          const SourceOptions& options);

}  // namespace vitrail::datasets
