// Learning from a trained network: the teacher looks at the images that the student is trained on, mixed as
// they are, in evaluation mode, and its answer is a second target. The student's distillation head learns it
// (DeiT), or its only head both (CaiT). Source: DeiT's losses. Throws: Error(refused) naming the key for a
// teacher that cannot be had; what loading weights throws.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "datasets/lane_batch.hpp"
#include "models/heads/logits.hpp"
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

// Null where distillation.type = none.
std::unique_ptr<const Teacher> make_teacher(const Config& config, c10::Device device);
at::Tensor logits_of(const Teacher* teacher, const at::Tensor& images);  // undefined without a teacher

// Logits [B,K] of both. hard: cross-entropy with the teacher's likeliest class; soft: tau^2 KL of the
// probabilities at temperature tau, averaged over images and classes.
at::Tensor distillation_loss(const DistillationConfig& config, const at::Tensor& student,
                             const at::Tensor& teacher);

// What the backward pass of a lane begins with: the loss of the labels (loss.hpp) on the mean of the heads;
// with a teacher's logits, which are undefined without one, (1 - alpha) of it on the class head, and alpha of
// the distillation loss.
at::Tensor lane_loss(const Config& config, const datasets::LaneBatch& batch, const models::Logits& logits,
                     const at::Tensor& teacher);

}  // namespace vitrail::trainer
