#include "trainer/base/log.hpp"

#include <cstdio>

#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail {

void Log::open(const std::filesystem::path& file) {
  if (visible_) file_.emplace(file, File::Mode::append);
}

void Log::line(const std::string& text) {
  if (!visible_) return;
  const std::string whole = text + "\n";
  std::fputs(whole.c_str(), stderr);
  try {
    if (file_) file_->write(std::as_bytes(std::span(whole)));
  } catch (const Error& e) {  // a run is worth more than words about it
    file_.reset();
    std::fputs(fmt::format("the log ends here: {}\n", e.what()).c_str(), stderr);
  }
}

}  // namespace vitrail
