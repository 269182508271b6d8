#include "trainer/base/log.hpp"

#include <cstdio>

#include <fmt/format.h>

#include "trainer/base/error.hpp"
#include "trainer/base/text/wall_time.hpp"

namespace vitrail {

void Log::open(const std::filesystem::path& file) {
  path_ = file;
  if (visible_) file_.emplace(file, File::Mode::append);
}

void Log::line(const std::string& text) {
  if (!visible_) return;
  const std::string whole = fmt::format("{} {}\n", local_time(), text);
  std::fputs(whole.c_str(), stderr);
  try {
    if (file_) file_->write(std::as_bytes(std::span(whole)));
  } catch (const Error& e) {  // a run is worth more than words about it
    file_.reset();
    std::fputs(fmt::format("the log ends here: {}\n", e.what()).c_str(), stderr);
  }
}

void Log::keep(const std::string& text) noexcept {
  if (path_.empty()) return;
  try {
    const std::string whole = fmt::format("{} {}", local_time(), text);
    File(path_, File::Mode::append).write(std::as_bytes(std::span(whole)));
  } catch (const std::exception&) {
    return;  // it was said on stderr
  }
}

}  // namespace vitrail
