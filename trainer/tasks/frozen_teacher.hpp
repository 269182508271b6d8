// A trained network that looks at the images that a student is trained on, mixed as they are, in evaluation
// mode. Throws: Error(refused) naming the key for a teacher that cannot be had; what loading weights throws.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "models/model.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

class Teacher {
 public:
  // In precision.compute.
  Teacher(const Config& config, c10::Device device);

  at::Tensor logits(const at::Tensor& images) const;  // [B,3,S,S] -> [B,K], fp32 for halves, without a graph
  const std::vector<std::string>& log_lines() const { return log_lines_; }  // what it is, for the log
  const std::vector<std::string>& classes() const { return classes_; }      // that a checkpoint names

 private:
  void convert_images(const Normalisation& from, const Normalisation& to, c10::Device device);

  std::vector<std::string> log_lines_, classes_;
  std::int64_t image_size_;
  at::Tensor factor_, summand_;  // from the student's normalisation to the teacher's; undefined: the same
  std::unique_ptr<const models::Model> model_;
};

}  // namespace vitrail::trainer
