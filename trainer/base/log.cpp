#include "trainer/base/log.hpp"

#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "trainer/base/error.hpp"
#include "trainer/base/text/wall_time.hpp"

namespace vitrail {
namespace {

using Json = nlohmann::ordered_json;

// A run is worth more than words about it: a file that takes no more is left alone.
void append(std::optional<File>& file, const char* what, const std::string& text) {
  try {
    if (file) file->write(std::as_bytes(std::span(text)));
  } catch (const Error& e) {
    file.reset();
    std::fputs(fmt::format("{} ends here: {}\n", what, e.what()).c_str(), stderr);
  }
}

void append_once(const std::filesystem::path& path, const std::string& text) {
  if (!path.empty()) File(path, File::Mode::append).write(std::as_bytes(std::span(text)));
}

std::string json_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

void Log::open(const std::filesystem::path& file, const std::filesystem::path& events, std::int64_t attempt) {
  path_ = file;
  events_path_ = events;
  attempt_ = attempt;
  if (!visible_) return;
  file_.emplace(file, File::Mode::append);
  if (!events.empty()) events_.emplace(events, File::Mode::append);
}

void Log::line(const std::string& text) {
  if (!visible_) return;
  const std::string whole = fmt::format("{} {}\n", local_time(), text);
  std::fputs(whole.c_str(), stderr);
  append(file_, "the log", whole);
}

void Log::event(const Event& event) {
  line(event.text);
  if (!visible_) return;
  Json json = {{"time", utc_time()},
               {"attempt", attempt_},
               {"kind", event.kind},
               {"step", event.step},
               {"text", event.text}};
  for (const auto& [name, number] : event.numbers) json[name] = number;
  append(events_, "the list of events", json_line(json));
}

void Log::keep(const std::string& text) noexcept {
  try {
    append_once(path_, fmt::format("{} {}", local_time(), text));
    append_once(events_path_, json_line({{"time", utc_time()}, {"kind", "failed"}, {"text", text}}));
  } catch (const std::exception&) {
    return;  // it was said on stderr
  }
}

}  // namespace vitrail
