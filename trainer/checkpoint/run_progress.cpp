#include "trainer/checkpoint/run_progress.hpp"

#include <fmt/format.h>

#include "trainer/base/error.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_manifest.hpp"
#include "trainer/checkpoint/finished_run.hpp"

namespace vitrail::trainer {
namespace {

std::optional<RunProgress> progress_in(const std::filesystem::path& checkpoint,
                                       const RunDirectory& directory) {
  const CheckpointManifest manifest = read_checkpoint_manifest(checkpoint);
  if (manifest.data_fingerprint.empty()) return std::nullopt;  // imported
  RunProgress progress{manifest.state.step, manifest.planned_steps};
  const auto finished = read_finished(directory);
  progress.finished = finished && finished->step == progress.step;
  if (progress.finished) progress.planned = progress.step;
  return progress;
}

}  // namespace

std::string RunProgress::text() const {
  if (planned == 0) return fmt::format("step {}", step);
  return fmt::format("step {} of {}", step, planned);
}

std::optional<RunProgress> run_progress(const RunDirectory& directory) {
  for (const auto& checkpoint : list_checkpoints(directory.checkpoints())) {
    try {
      return progress_in(checkpoint, directory);
    } catch (const Error& e) {
      if (e.code() != ExitCode::bad_data) throw;  // a damaged one: the one before it counts
    }
  }
  return std::nullopt;
}

std::optional<RunProgress> progress_of(const std::filesystem::path& checkpoint_or_run) {
  const auto checkpoint = std::filesystem::canonical(find_checkpoint(checkpoint_or_run));
  return progress_in(checkpoint, {checkpoint.parent_path().parent_path()});
}

}  // namespace vitrail::trainer
