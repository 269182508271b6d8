#include "trainer/checkpoint/finished_run.hpp"

#include <nlohmann/json.hpp>

#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/text/wall_time.hpp"

namespace vitrail::trainer {

void write_finished(const RunDirectory& directory, const FinishedRun& run) {
  const nlohmann::ordered_json json = {
      {"step", run.step}, {"writer", run.writer}, {"time", utc_time()}, {"launch", run.launch}};
  write_text_atomically(directory.finished(), json.dump(1) + "\n");
}

std::optional<FinishedRun> read_finished(const RunDirectory& directory) {
  std::error_code none;
  if (!std::filesystem::is_regular_file(directory.finished(), none)) return std::nullopt;
  try {
    const auto json = nlohmann::json::parse(read_text(directory.finished()));
    return FinishedRun{json.at("step"), json.at("launch"), json.at("writer")};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

void remove_finished(const RunDirectory& directory) {
  std::error_code error;
  if (!std::filesystem::remove(directory.finished(), error) && error)
    throw io_error("cannot remove", directory.finished(), error.value());
  if (!error) sync_directory(directory.root);
}

}  // namespace vitrail::trainer
