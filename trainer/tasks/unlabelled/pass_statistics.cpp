#include "trainer/tasks/unlabelled/pass_statistics.hpp"

#include <ATen/ATen.h>

namespace vitrail::trainer {

void PassStatistics::listen(models::Pass& pass) {
  pass.batch_statistic = [this](models::ParameterId parameter, const at::Tensor& value) {
    found_[parameter].push_back(value);
  };
}

void PassStatistics::report(const models::Pass& pass) const {
  if (!pass.batch_statistic) return;
  for (const auto& [parameter, values] : found_) pass.batch_statistic(parameter, at::stack(values).mean(0));
}

}  // namespace vitrail::trainer
