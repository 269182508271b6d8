#include "trainer/metrics.hpp"

#include <cmath>
#include <cstdint>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "trainer/base/error.hpp"
#include "trainer/base/text/wall_time.hpp"

namespace vitrail::trainer {
namespace {

// One JSON object on one line. nlohmann's writer is not used: it prints some doubles with a digit too many.
class JsonLine {
 public:
  JsonLine& add(const char* key, std::int64_t value) { return add_text(key, std::to_string(value)); }
  JsonLine& add(const char* key, double value) {
    if (!std::isfinite(value))
      return add_text(key, fmt::format("\"{}\"", value));  // JSON has no word for them
    std::string text = fmt::format("{}", value);
    if (text.find_first_of(".e") == std::string::npos) text += ".0";  // a float for every reader, -0.0 too
    return add_text(key, text);
  }
  JsonLine& add(const char* key, const std::optional<double>& value) {
    return value ? add(key, *value) : add_text(key, "null");
  }
  JsonLine& add_text(const char* key, const std::string& json) {
    members_ += fmt::format("{}\"{}\":{}", members_.empty() ? "" : ",", key, json);
    return *this;
  }
  std::string object() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

}  // namespace

std::string to_json_line(const StepMetrics& m) {
  const StepMetrics::Phases& phases = m.phases;
  const std::string seconds = JsonLine()
                                  .add("data", phases.data)
                                  .add("forward", phases.forward)
                                  .add("backward", phases.backward)
                                  .add("reduce", phases.reduce)
                                  .add("update", phases.update)
                                  .object();
  JsonLine line = JsonLine()
                      .add("step", m.step)
                      .add("epoch", m.epoch)
                      .add("images", m.images)
                      .add("loss", m.loss)
                      .add("lr", m.lr)
                      .add("weight_decay", m.weight_decay)
                      .add("grad_norm", m.grad_norm)
                      .add("loss_scale", m.loss_scale)
                      .add("skipped", m.skipped)
                      .add_text("order_hash", '"' + m.order_hash + '"')
                      .add("images_per_s", m.images_per_s)
                      .add("mfu", m.mfu)
                      .add("data_wait", m.data_wait)
                      .add("read_mb_per_s", m.read_mb_per_s)
                      .add("decode_images_per_s", m.decode_images_per_s)
                      .add("queue_depth", m.queue_depth)
                      .add("comm_exposed", m.comm_exposed)
                      .add("memory_bytes", m.memory_bytes)
                      .add("seconds", m.seconds)
                      .add_text("phase", seconds);
  if (m.gpu_utilisation) line.add("gpu_utilisation", m.gpu_utilisation);
  if (m.gpu_power_w) line.add("gpu_power_w", m.gpu_power_w);
  return line.object() + "\n";
}

std::string describe(const Rollback& back) {
  return fmt::format("the loss ran away: back from step {} to step {}, without the next {} batches",
                     back.from, back.to, back.batches);
}

std::string to_json_line(const Rollback& back) {
  const std::string object = JsonLine().add("from", back.from).add("left_out_batches", back.batches).object();
  return JsonLine().add("step", back.to).add_text("gone_back", object).object() + "\n";
}

std::string to_json_line(std::int64_t step, const Scores& scores) {
  JsonLine evaluation;
  evaluation.add("images", scores.images);
  for (const Score& score : scores.list) evaluation.add(score.name.c_str(), score.value);
  if (scores.neighbours) evaluation.add("neighbours", *scores.neighbours);
  return JsonLine().add("step", step).add_text("eval", evaluation.object()).object() + "\n";
}

std::string stamped(const std::string& line, std::int64_t attempt) {
  const std::string stamp =
      JsonLine().add("attempt", attempt).add_text("time", '"' + utc_time() + '"').object();
  return line.substr(0, line.rfind('}')) + "," + stamp.substr(1) + "\n";
}

namespace {

// Always a new file: an earlier attempt that is still alive somewhere writes into the one it has opened.
File begin_file(const std::filesystem::path& path, std::uint64_t bytes) {
  const std::string before = std::filesystem::exists(path) ? read_text(path) : "";
  if (before.size() < bytes) {
    throw Error(
        ExitCode::bad_data,
        fmt::format("{}: {} bytes, but the checkpoint recorded {}", path.string(), before.size(), bytes),
        "it was shortened or removed: restore it, or go on in another run.name or run.dir with "
        "checkpoint.resume set to the checkpoint");
  }
  write_text_atomically(path, before.substr(0, bytes));
  return {path, File::Mode::append};
}

}  // namespace

MetricsFile::MetricsFile(const std::filesystem::path& path, std::uint64_t bytes)
    : file_(begin_file(path, bytes)) {}

void MetricsFile::append(const std::string& line) {
  pending_ += line;
  retry();
}

void MetricsFile::retry() {
  try {
    while (!pending_.empty()) pending_.erase(0, file_.write_some(std::as_bytes(std::span(pending_))));
  } catch (const Error&) {
    return;  // a run is worth more
  }
}

std::uint64_t MetricsFile::length() { return file_.size() + pending_.size(); }

void MetricsFile::sync(std::uint64_t bytes) {
  file_.sync();
  if (file_.size() >= bytes) return;
  throw Error(ExitCode::io,
              fmt::format("{}: {} of {} bytes could be written", file_.path().string(), file_.size(), bytes));
}

std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");  // pages: all, resident, ...
  std::int64_t all = 0, resident = 0;
  return statm >> all >> resident ? resident * ::sysconf(_SC_PAGESIZE) : 0;
}

}  // namespace vitrail::trainer
