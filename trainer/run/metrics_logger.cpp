#include "trainer/run/metrics_logger.hpp"

#include <fmt/format.h>

#include "trainer/base/seconds_since.hpp"
#include "trainer/base/text/progress.hpp"
#include "trainer/schedule.hpp"

namespace vitrail::trainer {

MetricsLogger::MetricsLogger(const RunDirectory& directory, std::uint64_t bytes, const RunOwner& owner,
                             Log& log, const Duration& every, const Length& length)
    : file_(directory.metrics(), bytes), owner_(owner), log_(log), every_(every), length_(length) {}

void MetricsLogger::append(const std::string& line) { file_.append(stamped(line, owner_.number())); }

void MetricsLogger::record(const StepMetrics& metrics) {
  owner_.check();
  append(to_json_line(metrics));
  if (!is_time(metrics.step)) return;
  said_ = Clock::now();
  const double per_step = seconds_since(began_) / static_cast<double>(metrics.step - length_.first_step);
  log_.line(describe(metrics, length_.total_steps,
                     per_step * static_cast<double>(length_.total_steps - metrics.step)));
}

bool MetricsLogger::is_time(std::int64_t step) const {
  const bool by_clock = every_.unit == Duration::Unit::seconds && every_.count > 0 &&
                        seconds_since(said_) >= static_cast<double>(every_.count);
  return by_clock || step == length_.total_steps ||
         is_due(every_, step, length_.steps_per_epoch, "log.every");
}

std::string describe(const StepMetrics& m, std::int64_t total_steps, double seconds_left) {
  return fmt::format(
      "step {}/{} epoch {:.2f}: loss {:.4f}, lr {:.2e}, grad norm {:.3f}, {:.0f} images/s, {}data wait "
      "{:.0f} "
      "%, comm {:.0f} %, {:.0f} MiB, ETA {}",
      m.step, total_steps, m.epoch, m.loss, m.lr, m.grad_norm, m.images_per_s,
      m.mfu ? fmt::format("MFU {:.1f} %, ", 100 * *m.mfu) : "", 100 * m.data_wait / m.seconds,
      100 * m.comm_exposed / m.seconds, static_cast<double>(m.memory_bytes) / (1 << 20),
      format_duration(seconds_left));
}

}  // namespace vitrail::trainer
