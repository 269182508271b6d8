// Writes the test archives (README.md beside this file): make_archives FOLDER [CLASSES EACH WIDTH HEIGHT].
#include <cstdlib>
#include <exception>
#include <filesystem>

#include <fmt/format.h>

#include "tests/archives/archives.hpp"

int main(int count, char** words) try {
  if (count != 2 && count != 6) {
    fmt::print(stderr, "usage: make_archives FOLDER [CLASSES EACH WIDTH HEIGHT]\n");
    return 2;
  }
  using namespace vitrail::tests;
  const std::filesystem::path folder = words[1];
  TreeOptions options;
  if (count == 6) {
    options.classes = std::atoi(words[2]);
    options.each = std::atoi(words[3]);
    options.width = std::atoi(words[4]);
    options.height = std::atoi(words[5]);
  }
  const auto tree = make_tree(options);
  write_tar_of_tars(tree, folder / "ILSVRC2012_img_train.tar", TarFile::Packing::plain);
  write_tar_of_tars(tree, folder / "fall11_whole.tar", TarFile::Packing::plain);
  write_tar_of_tars(tree, folder / "winter21_whole.tar.gz", TarFile::Packing::gzip, "winter21_whole/");
  write_folder_of_tars(tree, folder / "winter21_whole");
  const auto validation = write_validation(tree, folder / "ILSVRC2012_img_val.tar");
  write_devkit(tree, validation, folder / "ILSVRC2012_devkit_t12.tar.gz");
  fmt::print("{} classes, {} files in {}\n", tree.size(), validation.size(), folder.string());
  return 0;
} catch (const std::exception& e) {
  fmt::print(stderr, "make_archives: {}\n", e.what());
  return 1;
}
