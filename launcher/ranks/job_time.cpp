#include "launcher/ranks/job_time.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "trainer/base/text/number.hpp"

namespace vitrail::launcher {
namespace {

// Empty where the command is not there or says nothing.
std::string first_line_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "re"), ::pclose);
  std::array<char, 128> line{};
  if (!pipe || std::fgets(line.data(), line.size(), pipe.get()) == nullptr) return "";
  std::string text = line.data();
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text.substr(std::min(text.find_first_not_of(' '), text.size()));
}

}  // namespace

std::optional<std::chrono::seconds> parse_time_left(const std::string& text) {
  const std::size_t dash = text.find('-');
  const auto days =
      dash == std::string::npos ? std::int64_t{0} : whole_number<std::int64_t>(text.substr(0, dash));
  std::string rest = dash == std::string::npos ? text : text.substr(dash + 1);
  std::vector<std::int64_t> fields;
  for (;;) {
    const std::size_t colon = rest.find(':');
    const auto field = whole_number<std::int64_t>(rest.substr(0, colon));
    if (!field) return std::nullopt;
    fields.push_back(*field);
    if (colon == std::string::npos) break;
    rest = rest.substr(colon + 1);
  }
  if (!days || fields.size() < 2 || fields.size() > 3) return std::nullopt;
  std::int64_t seconds = 0;
  for (const std::int64_t field : fields) seconds = 60 * seconds + field;
  return std::chrono::seconds(*days * 24 * 60 * 60 + seconds);
}

void tell_ranks_when_job_ends(const SlurmJob& job) {
  if (!whole_number<std::int64_t>(job.id)) return;
  const auto left =
      parse_time_left(first_line_of(fmt::format("squeue --noheader --job {} --format %L", job.id)));
  if (left) pass_on_job_end(std::chrono::system_clock::now() + *left);
}

}  // namespace vitrail::launcher
