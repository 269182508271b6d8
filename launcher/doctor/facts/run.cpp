#include "launcher/doctor/facts/run.hpp"

#include "trainer/checkpoint/checkpoint_space.hpp"
#include "trainer/checkpoint/finished_run.hpp"
#include "trainer/checkpoint/run_directory.hpp"
#include "trainer/checkpoint/run_owner.hpp"
#include "trainer/checkpoint/run_progress.hpp"
#include "trainer/weights/weights_origin.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;

RunWeights look_at_weights(const std::string& key, const std::string& path) {
  std::error_code refused, none;
  RunWeights weights{key, path, fs::exists(path, refused)};
  if (refused) weights.refused = refused.message();
  if (!weights.there || !fs::is_directory(path, none)) return weights;
  try {
    weights.unfinished = trainer::unfinished_note(trainer::resolved_checkpoint(path));
  } catch (const Error& e) {
    weights.unfinished = e.what();
  }
  return weights;
}

}  // namespace

RunFacts look_at_run(const trainer::Config& config) {
  const trainer::RunDirectory directory = trainer::run_directory(config.run);
  std::error_code none;
  RunFacts facts;
  facts.folder = directory.root;
  if (fs::exists(directory.root, none) && !fs::is_directory(directory.root, none))
    facts.refused = fmt::format("{}: there is a file of this name", directory.root.string());
  try {
    if (const auto progress = trainer::run_progress(directory)) {
      facts.progress = progress->text();
      facts.finished = progress->finished;
    }
    const auto owner = trainer::last_owner(directory.owners());
    if (owner && owner->life == trainer::LastOwner::Life::alive) facts.owner = owner->attempt.description();
  } catch (const Error& e) {
    facts.refused = e.what();
    facts.may_pass = e.code() == ExitCode::io;
  }
  facts.checkpoint_bytes = trainer::bytes_of_tree(directory.checkpoints());
  if (!config.model.weights.empty() && facts.progress.empty())
    facts.weights.push_back(look_at_weights("model.weights", config.model.weights));
  if (!config.distillation.teacher_weights.empty())
    facts.weights.push_back(
        look_at_weights("distillation.teacher_weights", config.distillation.teacher_weights));
  return facts;
}

}  // namespace vitrail::launcher
