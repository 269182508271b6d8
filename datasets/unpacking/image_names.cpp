#include "datasets/unpacking/image_names.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <string_view>

#include <fmt/format.h>

#include "datasets/archives/file_tree.hpp"
#include "datasets/packing/pack_rules.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "datasets/packing/webdataset/webdataset_tar.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

// By its first bytes: a pack has nothing but these three.
std::string ending_of(std::span<const std::byte> image) {
  const std::string_view head(reinterpret_cast<const char*>(image.data()),
                              std::min<std::size_t>(image.size(), 4));
  if (head.starts_with("\x89PNG")) return "png";
  return head == "RIFF" ? "webp" : "jpg";
}

}  // namespace

std::vector<std::string> class_folders(const std::vector<ClassEntry>& classes) {
  std::vector<std::string> folders;
  std::map<std::string, std::size_t> label_of;
  for (const ClassEntry& entry : classes) {
    std::string name = entry.wnid.empty() ? entry.name : entry.wnid;
    std::ranges::replace(name, '/', '_');
    if (name.empty() || name.starts_with('.') || is_system_folder(name)) name.insert(0, "_");
    const auto [first, is_new] = label_of.emplace(name, folders.size());
    if (!is_new) {
      throw Error(ExitCode::refused,
                  fmt::format("the classes {} and {} would both be the folder {}", first->second,
                              folders.size(), name),
                  "unpack with --format wds, where classes are numbers");
    }
    folders.push_back(std::move(name));
  }
  return folders;
}

bool is_path_below(const std::string& key) {
  return !key.empty() && !leads_out(key) &&
         std::filesystem::path(key).lexically_normal().generic_string() == key;
}

std::string path_in_folder(const std::string& key, const std::string& folder,
                           std::span<const std::byte> image) {
  std::string path = folder.empty() || key.starts_with(folder + "/") ? key : folder + "/" + key;
  if (!looks_like_image(path)) path += "." + ending_of(image);
  return path;
}

SampleNames::Name SampleNames::of(const std::string& key, std::uint64_t number,
                                  std::span<const std::byte> image) {
  const WebName web = web_name_of(key);
  const bool is_usable = is_image_ending(web.ending) && !leads_out(key);
  if (is_usable && used_.insert(web.sample).second) return {web.sample, key, false};
  std::string sample = fmt::format("{:09}", number);
  while (!used_.insert(sample).second) sample.insert(0, "_");
  return {sample, sample + "." + ending_of(image), true};
}

}  // namespace vitrail::datasets
