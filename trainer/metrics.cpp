#include "trainer/metrics.hpp"

#include <cmath>
#include <cstdlib>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

// JSON has no word for infinities and NaN.
nlohmann::ordered_json number(double value) {
  if (!std::isfinite(value)) return fmt::format("{}", value);
  return value;
}

}  // namespace

std::string to_json_line(const StepMetrics& m) {
  const nlohmann::ordered_json line = {{"step", m.step},
                                       {"epoch", number(m.epoch)},
                                       {"images", m.images},
                                       {"loss", number(m.loss)},
                                       {"lr", number(m.lr)},
                                       {"weight_decay", number(m.weight_decay)},
                                       {"grad_norm", number(m.grad_norm)},
                                       {"loss_scale", number(m.loss_scale)},
                                       {"skipped", m.skipped},
                                       {"order_hash", m.order_hash},
                                       {"images_per_s", number(m.images_per_s)},
                                       {"mfu", nullptr},  // the peak of this device is not known
                                       {"data_wait", number(m.data_wait)},
                                       {"comm_exposed", number(m.comm_exposed)},
                                       {"memory_bytes", m.memory_bytes},
                                       {"seconds", number(m.seconds)}};
  return line.dump() + "\n";
}

std::string to_json_line(std::int64_t step, const EvaluationMetrics& m) {
  const nlohmann::ordered_json line = {
      {"step", step},
      {"eval",
       {{"images", m.images}, {"top1", number(m.top1)}, {"top5", number(m.top5)}, {"loss", number(m.loss)}}}};
  return line.dump() + "\n";
}

MetricsFile::MetricsFile(const std::filesystem::path& path, std::uint64_t bytes)
    : file_(path, File::Mode::append) {
  const std::uint64_t size = file_.size();
  if (size < bytes) {
    throw Error(ExitCode::bad_data,
                fmt::format("{}: {} bytes, but the checkpoint recorded {}", path.string(), size, bytes),
                "the file was shortened by hand: restore it, or begin a new run with another run.name");
  }
  if (size > bytes) file_.truncate(bytes);
}

void MetricsFile::append(const std::string& line) { file_.write(std::as_bytes(std::span(line))); }

std::uint64_t MetricsFile::sync() {
  file_.sync();
  return file_.size();
}

std::int64_t resident_bytes() {
  const std::string statm = [] {
    std::string text(128, '\0');  // /proc files have no size: read what comes
    FILE* file = std::fopen("/proc/self/statm", "r");
    if (file == nullptr) return std::string();
    text.resize(std::fread(text.data(), 1, text.size(), file));
    std::fclose(file);
    return text;
  }();
  const auto space = statm.find(' ');
  if (space == std::string::npos) return 0;
  return std::strtoll(statm.c_str() + space, nullptr, 10) * ::sysconf(_SC_PAGESIZE);
}

}  // namespace vitrail::trainer
