// A scratch folder with small sources to pack: the encoded images of codec.safetensors in class folders, or
// IDX files.
#pragma once

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "datasets/packing/pack.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/files/safetensors.hpp"

namespace vitrail::datasets {

namespace fs = std::filesystem;

class PackTest : public testing::Test {
 protected:
  PackTest() {
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  ~PackTest() override { fs::remove_all(dir_); }

  static std::string fixture_image(const std::string& name) {
    const SafetensorsReader fixture(fs::path(VITRAIL_FIXTURES) / "datasets/codec.safetensors");
    std::string bytes(static_cast<std::size_t>(fixture.info(name + ".file").elements()), '\0');
    fixture.read(name + ".file", std::as_writable_bytes(std::span(bytes)));
    return bytes;
  }

  void put(const fs::path& path, const std::string& bytes) const {
    fs::create_directories((dir_ / path).parent_path());
    std::ofstream(dir_ / path, std::ios::binary) << bytes;
  }

  // `classes` folders of `each` images; every image differs from every other (bytes behind an image are
  // ignored).
  std::string make_folder(const std::string& name, int classes, int each) const {
    const std::string jpeg = fixture_image("jpeg_1x1"), large = fixture_image("jpeg_420");
    for (int c = 0; c < classes; ++c) {
      for (int i = 0; i < each; ++i) {
        const std::string file = fmt::format("{}/n{:08}/n{:08}_{}.JPEG", name, c, c, i);
        put(file, (i % 3 == 0 ? large : jpeg) + fmt::format("{:04}{:04}", c, i));
      }
    }
    return "folder:" + (dir_ / name).string();
  }

  PackOptions options(const std::string& source, const std::string& output,
                      std::uint64_t shard_bytes = 1 << 30) const {
    return {source, dir_ / output, {}, shard_bytes, 1, false};
  }

  // Kills the process that packs after ever longer times until one gets through: how often it was killed.
  static int kill_while_packing(const PackOptions& o, int first_delay_us) {
    int kills = 0;
    for (int delay_us = first_delay_us;; delay_us += delay_us / 2) {
      const pid_t child = ::fork();
      if (child == 0) {
        pack(o);
        ::_exit(0);
      }
      ::usleep(static_cast<useconds_t>(delay_us));
      ::kill(child, SIGKILL);
      int status = 0;
      EXPECT_EQ(::waitpid(child, &status, 0), child);
      if (!WIFSIGNALED(status)) return kills;
      ++kills;
    }
  }

  // Name -> bytes of everything in a folder of the scratch folder.
  std::map<std::string, std::string> contents(const std::string& folder) const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::directory_iterator(dir_ / folder)) {
      files[entry.path().filename().string()] = entry.is_directory() ? "a folder" : read_text(entry.path());
    }
    return files;
  }

  const fs::path dir_ = fs::path(testing::TempDir()) / fmt::format("vitrail_pack_{}", ::getpid());
};

template <class Function>
Error error_of(const Function& f) {
  try {
    f();
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "no error";
  return {ExitCode::done, ""};
}

}  // namespace vitrail::datasets
