// Batch statistics of several passes of one lane, of which a step wants one: their mean.
#pragma once

#include <map>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/model.hpp"

namespace vitrail::trainer {

class PassStatistics {
 public:
  void listen(models::Pass& pass);              // which must not outlive this
  void report(const models::Pass& pass) const;  // to the lane's own

 private:
  std::map<models::ParameterId, std::vector<at::Tensor>> found_;
};

}  // namespace vitrail::trainer
