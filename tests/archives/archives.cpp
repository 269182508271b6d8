#include "tests/archives/archives.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include "tests/archives/images.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::tests {
namespace {

namespace fs = std::filesystem;

// A fixed shuffle: by the hash of the name.
template <class T, class Name>
void shuffle(std::vector<T>& values, const Name& name) {
  std::ranges::sort(values, {}, [&](const T& value) { return hash_text(name(value)).low; });
}

void put(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace

struct TarFile::State {
  archive* writer = archive_write_new();
  std::string* memory = nullptr;

  void check(int status) const {
    if (status != ARCHIVE_OK) throw std::runtime_error(archive_error_string(writer));
  }
  void add(archive_entry* entry, const std::string& bytes) const {
    archive_entry_set_perm(entry, 0644);
    check(archive_write_header(writer, entry));
    if (!bytes.empty() && archive_write_data(writer, bytes.data(), bytes.size()) < 0) check(ARCHIVE_FATAL);
    archive_entry_free(entry);
  }
};

TarFile::TarFile(const fs::path& path, Packing packing) : state_(new State) {
  fs::create_directories(path.parent_path());
  archive_write_set_format_gnutar(state_->writer);
  if (packing == Packing::gzip) {
    archive_write_add_filter_gzip(state_->writer);
    archive_write_set_options(state_->writer, "gzip:!timestamp,gzip:compression-level=1");
  }
  state_->check(archive_write_open_filename(state_->writer, path.c_str()));
}

TarFile::TarFile(std::string* memory) : state_(new State) {
  state_->memory = memory;
  archive_write_set_format_gnutar(state_->writer);
  const auto write = [](archive*, void* target, const void* bytes, std::size_t count) -> la_ssize_t {
    static_cast<std::string*>(target)->append(static_cast<const char*>(bytes), count);
    return static_cast<la_ssize_t>(count);
  };
  state_->check(archive_write_open(state_->writer, memory, nullptr, write, nullptr));
}

TarFile::~TarFile() {
  archive_write_free(state_->writer);
  delete state_;
}

void TarFile::add(const std::string& name, const std::string& bytes) {
  archive_entry* entry = archive_entry_new();
  archive_entry_set_pathname(entry, name.c_str());
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_size(entry, static_cast<la_int64_t>(bytes.size()));
  state_->add(entry, bytes);
}

void TarFile::add_link(const std::string& name, const std::string& target) {
  archive_entry* entry = archive_entry_new();
  archive_entry_set_pathname(entry, name.c_str());
  archive_entry_set_filetype(entry, AE_IFLNK);
  archive_entry_set_symlink(entry, target.c_str());
  state_->add(entry, "");
}

std::vector<ImageClass> make_tree(const TreeOptions& options) {
  std::vector<ImageClass> tree;
  for (int c = 0; c < options.classes; ++c) {
    ImageClass made{
        fmt::format("n{:08}", 1'440'764 + 7'919 * c), fmt::format("class {}, Exempli {}", c, c), 0, {}};
    for (int i = 0; i < options.each; ++i) {
      const auto image =
          texture(options.seed, c, static_cast<std::uint64_t>(i), options.width, options.height);
      made.files.push_back(
          {fmt::format("{}_{}.JPEG", made.wnid, 37 * i + 4), jpeg(image, options.quality), ""});
    }
    tree.push_back(std::move(made));
  }
  if (options.awkward) {
    std::size_t c = 0;
    for (const AwkwardFile& file : awkward_files(options.seed)) {
      ImageClass& home = tree[c++ % tree.size()];
      home.files.push_back({fmt::format("{}_{}.JPEG", home.wnid, file.name), file.bytes, file.reason});
    }
  }
  for (ImageClass& made : tree) shuffle(made.files, [](const ImageFile& file) { return file.name; });
  std::vector<ImageClass*> order;
  for (ImageClass& made : tree) order.push_back(&made);
  shuffle(order, [](const ImageClass* made) { return made->wnid; });
  for (std::size_t i = 0; i < order.size(); ++i) order[i]->ilsvrc_id = static_cast<std::uint32_t>(i + 1);
  return tree;
}

std::string class_tar(const ImageClass& c) {
  std::string bytes;
  {
    TarFile tar(&bytes);
    for (const ImageFile& file : c.files) tar.add(file.name, file.bytes);
  }
  return bytes;
}

void write_tar_of_tars(const std::vector<ImageClass>& tree, const fs::path& path, TarFile::Packing packing,
                       const std::string& prefix) {
  TarFile tar(path, packing);
  for (auto c = tree.rbegin(); c != tree.rend(); ++c) tar.add(prefix + c->wnid + ".tar", class_tar(*c));
}

void write_folder_of_tars(const std::vector<ImageClass>& tree, const fs::path& folder) {
  for (const ImageClass& c : tree) put(folder / (c.wnid + ".tar"), class_tar(c));
}

void write_unpacked(const std::vector<ImageClass>& tree, const fs::path& folder) {
  for (const ImageClass& c : tree) {
    for (const ImageFile& file : c.files) put(folder / c.wnid / file.name, file.bytes);
  }
}

std::vector<ValidationFile> write_validation(const std::vector<ImageClass>& tree, const fs::path& path) {
  struct Entry {
    const ImageFile* file;
    std::uint32_t class_index;
  };
  std::vector<Entry> entries;
  for (std::uint32_t c = 0; c < tree.size(); ++c) {
    for (const ImageFile& file : tree[c].files) entries.push_back({&file, c});
  }
  shuffle(entries, [](const Entry& entry) { return "val" + entry.file->name; });
  std::vector<ValidationFile> validation;
  for (const Entry& entry : entries) {
    validation.push_back(
        {fmt::format("ILSVRC2012_val_{:08}.JPEG", validation.size() + 1), entry.class_index});
  }
  TarFile tar(path, TarFile::Packing::plain);
  for (std::size_t i = entries.size(); i-- > 0;) tar.add(validation[i].name, entries[i].file->bytes);
  return validation;
}

void write_devkit(const std::vector<ImageClass>& tree, const std::vector<ValidationFile>& validation,
                  const fs::path& path) {
  std::string labels;
  for (const ValidationFile& file : validation)
    labels += fmt::format("{}\n", tree[file.class_index].ilsvrc_id);
  TarFile tar(path, TarFile::Packing::gzip);
  tar.add("ILSVRC2012_devkit_t12/readme.txt", "in miniature");
  tar.add("ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", labels);
  tar.add("ILSVRC2012_devkit_t12/data/meta.mat", matlab_synsets(tree, true));
}

}  // namespace vitrail::tests
