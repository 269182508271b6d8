// The folder checkpoints/ of a run: names, which ones are there, which is the newest, what may be deleted.
// A checkpoint is a folder step-00012345; it got that name when it was whole. Anything with ".tmp" in its
// name never was one. Throws: Error(io).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace vitrail::trainer {

std::string checkpoint_name(std::int64_t step);  // "step-00012345"

// Committed checkpoints, newest first.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& folder);

// `path` as a user gives it: a checkpoint, or a checkpoints/ folder or a run (then its newest).
// Error(usage) if there is none.
std::filesystem::path find_checkpoint(const std::filesystem::path& path);

void set_aside(const std::filesystem::path& checkpoint);  // a damaged one: renamed to step-00012345.damaged
// Symbolic link beside it, `latest` or `best`, replaced by rename.
void point_to(const std::filesystem::path& checkpoint, const std::string& link);
// Removes temporary folders of attempts that died; a checkpoint that was being replaced just then is put
// back.
void remove_leftovers(const std::filesystem::path& folder);

// Which checkpoints stay, beside the one that `best` points to.
struct KeepRule {
  std::int64_t last = 2;
  std::int64_t every = 0;  // steps: its multiples; 0: none
};
void prune_checkpoints(const std::filesystem::path& folder, KeepRule keep);

}  // namespace vitrail::trainer
