#include "datasets/packing/webdataset/webdataset_tar.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "datasets/archives/archive_reader.hpp"
#include "datasets/pack/pack_format.hpp"
#include "datasets/packing/pack_sources.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

constexpr std::array kImageEndings = {"jpg", "jpeg", "png", "webp"};
constexpr const char* kUnlabelled = "-1";  // how timm's tars say so

// The members of one sample.
class Group {
 public:
  Group(const File& tar, const WebLabels& labels, WebTar& into) : tar_(tar), labels_(labels), into_(into) {}

  void add(const ArchiveMember& member, WebName name) {
    if (name.sample.empty()) {
      into_.samples.push_back({member.name, {}, 0, member.bytes, Flaw::no_sample});
      return;
    }
    if (name.sample != sample_ || find(name.ending) != nullptr) close();  // the same again is another sample
    sample_ = std::move(name.sample);
    members_.push_back({std::move(name.ending), member});
  }

  void close() {
    if (members_.empty()) return;
    WebSample sample{sample_, {}, 0, 0, Flaw::no_image};
    std::size_t images = 0;
    for (const char* ending : kImageEndings) {
      const ArchiveMember* image = find(ending);
      if (image == nullptr || images++ > 0) continue;
      sample = sample_of(*image);
    }
    if (images > 1) ++into_.more_images;
    if (sample.flaw == Flaw::none) {
      if (const ArchiveMember* key = find(kKeyEnding)) sample.key = text_of(*key, kMaxKeyBytes);
      if (const auto label = label_text()) {
        sample.label = into_.labels.add(
            *label, [&] { return fmt::format("{}: {}", tar_.path().string(), printable(sample_)); });
      } else if (labels_.needed) {
        sample.flaw = Flaw::no_label;
      }
    }
    if (images > 0 || labels_.needed || !take_each_image()) into_.samples.push_back(std::move(sample));
    members_.clear();
  }

 private:
  struct Member {
    std::string ending;
    ArchiveMember member;
  };

  static WebSample sample_of(const ArchiveMember& image) {
    return {image.name, {}, image.position, image.bytes, image.is_file ? Flaw::none : Flaw::not_a_file};
  }

  // Of a tar that is of nobody's form: "a.b.jpg".
  bool take_each_image() {
    bool found = false;
    for (const Member& member : members_) {
      if (!looks_like_image(member.ending)) continue;
      into_.samples.push_back(sample_of(member.member));
      found = true;
    }
    return found;
  }

  const ArchiveMember* find(const std::string& ending) const {
    const auto found = std::ranges::find(members_, ending, &Member::ending);
    return found == members_.end() ? nullptr : &found->member;
  }

  std::string text_of(const ArchiveMember& member, std::uint64_t most) const {
    if (!member.is_file || member.bytes > most) {
      throw Error(ExitCode::bad_data, fmt::format("{}: {}: no file of at most {} bytes", tar_.path().string(),
                                                  printable(member.name), most));
    }
    std::string text(member.bytes, '\0');
    tar_.read_at(member.position, std::as_writable_bytes(std::span(text)));
    return text;
  }

  std::optional<std::string> label_text() const {
    constexpr std::uint64_t kMostOfCls = 4096, kMostOfJson = std::uint64_t{1} << 20;
    if (labels_.field == kNoLabels) return std::nullopt;
    std::string label;
    if (const ArchiveMember* cls = find("cls"); cls != nullptr && labels_.field.empty()) {
      label = text_of(*cls, kMostOfCls);
      while (!label.empty() && std::isspace(static_cast<unsigned char>(label.back())) != 0) label.pop_back();
    } else if (const ArchiveMember* json = find("json")) {
      const auto value = nlohmann::json::parse(text_of(*json, kMostOfJson), nullptr, false);
      if (value.is_discarded() && labels_.needed) {
        throw Error(ExitCode::bad_data,
                    fmt::format("{}: {}: not JSON", tar_.path().string(), printable(json->name)));
      }
      const auto entry =
          value.is_object() ? value.find(labels_.field.empty() ? "label" : labels_.field) : value.end();
      if (entry != value.end() && entry->is_number_integer()) label = entry->dump();
      if (entry != value.end() && entry->is_string()) label = entry->get<std::string>();
    }
    return label.empty() || label == kUnlabelled ? std::nullopt : std::optional(label);
  }

  const File& tar_;
  const WebLabels& labels_;
  WebTar& into_;
  std::string sample_;
  std::vector<Member> members_;
};

}  // namespace

WebName web_name_of(const std::string& member) {
  const auto slash = member.rfind('/');
  const std::size_t begin = slash == std::string::npos ? 0 : slash + 1;
  const auto dot = member.find('.', begin);
  if (dot == std::string::npos || dot == begin || dot + 1 == member.size()) return {};
  WebName name{member.substr(0, dot), member.substr(dot + 1)};
  std::ranges::transform(name.ending, name.ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return name;
}

bool is_image_ending(const std::string& ending) {
  return std::ranges::find(kImageEndings, ending) != kImageEndings.end();
}

WebTar read_web_tar(const File& tar, const WebLabels& labels) {
  WebTar listed;
  Group group(tar, labels, listed);
  for (const ArchiveMember& member : list_tar(tar, 0, tar.size(), tar.path().string())) {
    group.add(member, web_name_of(member.name));
  }
  group.close();
  return listed;
}

}  // namespace vitrail::datasets
