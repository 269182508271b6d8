// A tar of files without owner, time or rights of their own: the same members give the same bytes. Whole or
// absent: the file gets its name when it is finished. Throws: Error(io).
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "trainer/base/files/atomic_file.hpp"

struct archive;

namespace vitrail::datasets {

class TarWriter {
 public:
  explicit TarWriter(const std::filesystem::path& path);
  ~TarWriter();  // leaves nothing behind where finish() was not called
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;

  void add(const std::string& name, std::span<const std::byte> bytes);
  void finish();

 private:
  [[noreturn]] void fail();

  const std::filesystem::path path_, unfinished_;
  File file_;
  bool is_finished_ = false;
  std::unique_ptr<archive, int (*)(archive*)> archive_;
};

}  // namespace vitrail::datasets
