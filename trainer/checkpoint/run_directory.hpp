// The folder of a run: config.cfg, weights.txt (where others' weights are taken), metrics.jsonl, log.txt,
// events.jsonl, checkpoints/, finished.json (finished_run.hpp), .owners/ (run_owner.hpp). Throws: Error(io)
// where it cannot be made or written.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

struct RunDirectory {
  std::filesystem::path root;

  std::filesystem::path config() const { return root / "config.cfg"; }
  std::filesystem::path weights() const { return root / "weights.txt"; }
  std::filesystem::path metrics() const { return root / "metrics.jsonl"; }
  std::filesystem::path log() const { return root / "log.txt"; }
  std::filesystem::path events() const { return root / "events.jsonl"; }
  std::filesystem::path finished() const { return root / "finished.json"; }
  std::filesystem::path checkpoints() const { return root / "checkpoints"; }
  std::filesystem::path owners() const { return root / ".owners"; }
};

RunDirectory run_directory(const RunConfig& config);  // run.dir, or runs/<run.name>

// Makes the folders and proves that a file can be written there, before anything expensive begins.
void prepare(const RunDirectory& directory);

}  // namespace vitrail::trainer
