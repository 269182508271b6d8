// Archives in the official layouts of ImageNet-1k and ImageNet-21k, in miniature: a tar of one tar for each
// class, the same gzipped or as a folder, the validation tar, and the devkit with its MATLAB file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace vitrail::tests {

struct ImageFile {
  std::string name;  // n01440764_10026.JPEG
  std::string bytes;
  std::string reason;  // part of why it is quarantined; empty if it is accepted
};

struct ImageClass {
  std::string wnid;
  std::string words;
  std::uint32_t ilsvrc_id = 0;
  std::vector<ImageFile> files;  // not in the order of names
};

struct TreeOptions {
  std::uint64_t seed = 1;
  int classes = 4;
  int each = 10;  // images of a class, besides the awkward ones
  int width = 48, height = 36;
  int quality = 90;
  bool awkward = true;  // one file of each kind, spread over the classes
};

// Classes in the order of wnids; their ilsvrc_ids are in another.
std::vector<ImageClass> make_tree(const TreeOptions& options);

class TarFile {
 public:
  enum class Packing { plain, gzip };
  TarFile(const std::filesystem::path& path, Packing packing);
  explicit TarFile(std::string* memory);  // plain
  ~TarFile();
  TarFile(const TarFile&) = delete;
  TarFile& operator=(const TarFile&) = delete;

  void add(const std::string& name, const std::string& bytes);
  void add_link(const std::string& name, const std::string& target);

 private:
  struct State;
  State* state_;
};

std::string class_tar(const ImageClass& c);

void write_tar_of_tars(const std::vector<ImageClass>& tree, const std::filesystem::path& path,
                       TarFile::Packing packing, const std::string& prefix = "");
void write_folder_of_tars(const std::vector<ImageClass>& tree, const std::filesystem::path& folder);
void write_unpacked(const std::vector<ImageClass>& tree, const std::filesystem::path& folder);

// Every file of the tree under the names of the validation set; `label`s follow in the devkit.
struct ValidationFile {
  std::string name;
  std::uint32_t class_index = 0;  // in the tree
};
std::vector<ValidationFile> write_validation(const std::vector<ImageClass>& tree,
                                             const std::filesystem::path& path);
void write_devkit(const std::vector<ImageClass>& tree, const std::vector<ValidationFile>& validation,
                  const std::filesystem::path& path);

// meta.mat: a struct array `synsets` with the eight fields of the original, leaves and two inner nodes.
std::string matlab_synsets(const std::vector<ImageClass>& tree, bool compressed);

}  // namespace vitrail::tests
