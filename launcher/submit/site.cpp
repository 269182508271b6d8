#include "launcher/submit/site.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "launcher/ranks/command_output.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostRanks = 1024;

const std::array<std::pair<const char*, std::string Site::*>, 9> kVariables = {
    {{"runs", &Site::runs},
     {"partition", &Site::partition},
     {"account", &Site::account},
     {"constraint", &Site::constraint},
     {"gpus_per_node", &Site::gpus_per_node},
     {"ranks_per_node", &Site::ranks_per_node},
     {"cpus_per_rank", &Site::cpus_per_rank},
     {"time_limit", &Site::time_limit},
     {"mail", &Site::mail}}};

// What modules say goes to stderr. Each value ends with a zero byte.
constexpr const char* kRead =
    R"(source "$1" >&2 || exit; shift; for name; do printf '%s\0' "${!name-}"; done)";

// Behind the kind of GPU, where one is named. 0: no number from 1 to kMostRanks.
std::int64_t number_in(const std::string& text) {
  const std::string digits = text.substr(text.rfind(':') + 1);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  return whole && number >= 1 && number <= kMostRanks ? number : 0;
}

void check(const Site& site, const fs::path& file) {
  for (const auto& [name, member] : kVariables) {
    const std::string& value = site.*member;
    if (value.find('\n') != std::string::npos)
      throw Error(ExitCode::usage, fmt::format("{}: {} has several lines", file.string(), name));
  }
  for (const auto& [name, value] : {std::pair("gpus_per_node", site.gpus_per_node),
                                    {"ranks_per_node", site.ranks_per_node},
                                    {"cpus_per_rank", site.cpus_per_rank}}) {
    const bool has_kind = value.find(':') != std::string::npos && std::string(name) != "gpus_per_node";
    if (value.empty() || (number_in(value) > 0 && !has_kind)) continue;
    throw Error(ExitCode::usage, fmt::format("{}: {} = {}: expected a number from 1 to {}", file.string(),
                                             name, value, kMostRanks));
  }
  if (site.gpus_per_node.empty() && site.ranks_per_node.empty()) {
    throw Error(
        ExitCode::usage,
        fmt::format("{}: neither gpus_per_node nor ranks_per_node is set: how many ranks are on a node?",
                    file.string()),
        "set one of them there, or for once: VITRAIL_GPUS_PER_NODE=8 vitrail submit ...");
  }
}

}  // namespace

std::int64_t Site::ranks_on_node() const {
  return std::max<std::int64_t>(1, number_in(ranks_per_node.empty() ? gpus_per_node : ranks_per_node));
}

Site read_site(const fs::path& file) {
  std::vector<std::string> words = {"bash", "-c", kRead, "bash", file.string()};
  for (const auto& variable : kVariables) words.emplace_back(variable.first);
  const CommandOutput output = output_of(words);
  if (output.status != 0) {
    throw Error(ExitCode::usage,
                fmt::format("{}: bash cannot read it (status {}), see above", file.string(), output.status));
  }
  Site site;
  std::size_t begin = 0;
  for (const auto& variable : kVariables) {
    const std::size_t end = output.text.find('\0', begin);
    if (end == std::string::npos)
      throw Error(ExitCode::usage, fmt::format("{}: it ends the shell that reads it", file.string()));
    site.*variable.second = output.text.substr(begin, end - begin);
    begin = end + 1;
  }
  if (site.runs.empty()) site.runs = "runs";
  check(site, file);
  return site;
}

fs::path scripts_folder(const std::string& asked, const fs::path& program) {
  const fs::path beside = program.parent_path().parent_path();
  std::vector<fs::path> folders = {"slurm", beside / "share/vitrail/slurm", beside.parent_path() / "slurm"};
  if (!asked.empty()) folders = {asked};
  for (const fs::path& folder : folders) {
    if (fs::is_regular_file(folder / "site.sh") && fs::is_regular_file(folder / "train.sh"))
      return fs::absolute(folder).lexically_normal();
  }
  std::string text;
  for (const fs::path& folder : folders)
    text += (text.empty() ? "" : ", ") + (folder / "site.sh").lexically_normal().string();
  throw Error(
      ExitCode::usage, fmt::format("no site.sh with a train.sh beside it: {}", text),
      "--scripts names the folder that has them: share/vitrail/slurm of an installation, slurm of a clone");
}

}  // namespace vitrail::launcher
