// Archives of ImageNet's form, one tar for each class (nXXXXXXXX.tar), all in one tar or in a folder, read in
// place; and what a class's members are called in a pack. Throws: Error(bad_data) naming archive and member;
// Error(io).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "datasets/archives/archive_reader.hpp"
#include "datasets/packing/pack_sources.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {

bool is_wnid(const std::string& name);                                // n01440764
std::optional<std::string> wnid_of_archive(const std::string& path);  // of a/b/n01440764.tar

// Left out, such a class would shift the labels of those behind it: Error(bad_data) for n01440764.tar.gz.
void refuse_compressed_class(const std::string& where, const std::string& path);

// The same for n01440764.tar.part, "n01440764 (1).tar" or a link of that name, unless n01440764.tar is there,
// too.
void refuse_part_of_class(const std::string& where, const std::string& path,
                          const std::function<bool(const std::string&)>& is_there);

// A member that belongs to no class, with its flaw.
SourceItem stray_item(const std::string& name, std::uint64_t bytes);

// The members of one class that belong to a part of the data, sorted by key WNID/NAME; nothing if the class
// is left out. `place` of each is the member's position.
std::optional<std::vector<SourceItem>> class_items(const std::string& wnid,
                                                   const std::vector<ArchiveMember>& members,
                                                   const Partition& partition);

// "21k-p, train; 3 classes with 17 files left out"; empty for everything.
std::string selection_text(const Partition& partition, std::uint64_t classes_left_out,
                           std::uint64_t files_left_out);

// An archive without those of classes; `found`: a member that it has instead, or empty.
Error no_class_archives(const std::string& path, const std::string& found);
// A rule that leaves nothing: Error(refused).
Error empty_part(const Partition& partition, std::uint64_t classes, std::uint64_t largest);

// `kind` (imagenet-train, imagenet-21k) is part of the identity; `path`: a tar of tars, or a folder of tars.
std::unique_ptr<Source> open_class_archives(const std::string& kind, const std::filesystem::path& path,
                                            const SourceOptions& options);

}  // namespace vitrail::datasets
