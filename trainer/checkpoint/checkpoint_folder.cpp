#include "trainer/checkpoint/checkpoint_folder.hpp"

#include <algorithm>
#include <cerrno>
#include <string_view>

#include <unistd.h>

#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/text/number.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";

bool is_checkpoint(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with(kPrefix) &&
         name.find_first_not_of("0123456789", kPrefix.size()) == std::string::npos;
}

std::int64_t step_of(const fs::path& checkpoint) {
  return whole_number<std::int64_t>(checkpoint.filename().string().substr(kPrefix.size())).value_or(0);
}

// Only what we name so: the folder may be a user's.
bool is_leftover(const fs::path& path) {
  const std::string name = path.filename().string();
  return name == "latest.tmp" || name == "best.tmp" ||
         (name.find(".tmp-") != std::string::npos && is_checkpoint(name.substr(0, name.find(".tmp-"))));
}

void remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw io_error("cannot remove", path, error.value());
}

// No link can take the place of a folder: every save would fail after its checkpoint was in place.
void check_is_link(const fs::path& link) {
  std::error_code error;
  if (!fs::is_directory(fs::symlink_status(link, error))) return;
  throw Error(ExitCode::io, fmt::format("{}: it is a folder, where a link belongs", link.string()),
              "the run was copied with its links followed: remove that folder, what it holds is beside it");
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) paths.push_back(entry.path());
  return paths;
}

}  // namespace

std::string checkpoint_name(std::int64_t step) { return fmt::format("step-{:08}", step); }

std::vector<fs::path> list_checkpoints(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const fs::path& path : entries(folder)) {
    if (is_checkpoint(path) && !fs::is_symlink(path)) found.push_back(path);
  }
  std::sort(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) {
    const std::string x = a.filename().string(), y = b.filename().string();
    return x.size() != y.size() ? x.size() > y.size() : x > y;  // a step may outgrow its eight digits
  });
  return found;
}

fs::path find_checkpoint(const fs::path& path) {
  if (fs::exists(path / "manifest.json")) return path;
  for (const fs::path& folder : {path, path / "checkpoints"}) {
    const auto found = list_checkpoints(folder);
    if (!found.empty()) return found.front();
  }
  if (is_checkpoint(path) && fs::is_directory(path)) return path;  // damaged: its reader says how
  throw Error(ExitCode::usage, fmt::format("{}: no checkpoint there", path.string()),
              fs::is_regular_file(path)
                  ? "a safetensors file is given by --model.weights, with model.name beside it"
                  : "give a folder step-..., a checkpoints/ folder or a run's folder");
}

void set_aside(const fs::path& checkpoint) {
  fs::path aside = checkpoint;
  aside += ".damaged";
  remove_tree(aside);
  rename_durably(checkpoint, aside);
}

void point_to(const fs::path& checkpoint, const std::string& name) {
  const fs::path link = checkpoint.parent_path() / name;
  const fs::path temporary = checkpoint.parent_path() / (name + ".tmp");
  check_is_link(link);
  remove_tree(temporary);
  if (::symlink(checkpoint.filename().c_str(), temporary.c_str()) != 0) {
    throw io_error("cannot create", temporary, errno);
  }
  rename_durably(temporary, link);
}

void remove_leftovers(const fs::path& folder) {
  for (const char* link : {"latest", "best"}) check_is_link(folder / link);
  for (const fs::path& path : entries(folder)) {
    if (path.extension() != ".tmp-replaced" || !is_leftover(path)) continue;
    const fs::path checkpoint = path.parent_path() / path.stem();
    if (!fs::exists(checkpoint)) rename_durably(path, checkpoint);  // killed between two renames
  }
  for (const fs::path& path : entries(folder)) {
    if (is_leftover(path)) remove_tree(path);
  }
}

void prune_checkpoints(const fs::path& folder, KeepRule keep) {
  const auto found = list_checkpoints(folder);
  std::error_code none;
  const fs::path best = fs::read_symlink(folder / "best", none);
  for (std::size_t i = static_cast<std::size_t>(keep.last); i < found.size(); ++i) {
    if (found[i].filename() == best || (keep.every > 0 && step_of(found[i]) % keep.every == 0)) continue;
    // Renamed first: a folder that is half deleted must not look like a checkpoint.
    fs::path doomed = found[i];
    doomed += ".tmp-delete";
    rename_durably(found[i], doomed);
    remove_tree(doomed);
  }
}

}  // namespace vitrail::trainer
