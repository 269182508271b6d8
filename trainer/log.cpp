#include "trainer/log.hpp"

#include <cstdio>

#include <fmt/format.h>

namespace vitrail::trainer {

void Log::open(const std::filesystem::path& file) {
  if (visible_) file_.emplace(file, File::Mode::append);
}

void Log::line(const std::string& text) {
  if (!visible_) return;
  fmt::print(stderr, "{}\n", text);
  std::fflush(stderr);
  const std::string whole = text + "\n";
  if (file_) file_->write(std::as_bytes(std::span(whole)));
}

}  // namespace vitrail::trainer
