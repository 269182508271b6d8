#include "trainer/lane.hpp"

#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include "trainer/device/tensor_type.hpp"

namespace vitrail::trainer {
namespace {

template <class Values>
void append(Values& values, const Values& more) {
  values.insert(values.end(), more.begin(), more.end());
}

}  // namespace

datasets::LaneBatch next_lanes(datasets::TrainLoader& loader, std::int64_t count) {
  datasets::LaneBatch all = loader.next();
  if (count == 1) return all;
  all.lane /= count;
  std::vector<std::vector<float>> views;
  for (const datasets::PixelBuffer& view : all.views) views.emplace_back(view.begin(), view.end());
  for (std::int64_t i = 1; i < count; ++i) {
    datasets::LaneBatch lane = loader.next();
    all.images_count += lane.images_count;
    for (std::size_t v = 0; v < views.size(); ++v)
      views[v].insert(views[v].end(), lane.views[v].begin(), lane.views[v].end());
    append(all.labels, lane.labels);
    append(all.partner_labels, lane.partner_labels);
    append(all.weights, lane.weights);
    append(all.sample_ids, lane.sample_ids);
    all.damaged.merge(lane.damaged);
  }
  for (std::size_t v = 0; v < views.size(); ++v) all.views[v] = std::move(views[v]);
  return all;
}

LaneSamples samples_of(datasets::LaneBatch& batch, const Task& task, const Network& student,
                       ImageBuffers& buffers) {
  std::vector<float*> places;
  if (buffers.copies())
    places = buffers.take(batch.views);
  else
    for (datasets::PixelBuffer& view : batch.views) places.push_back(view.data());
  LaneSamples samples{batch, {}};
  const std::vector<datasets::ViewPlan> plans = task.views();
  const auto there = at::TensorOptions(at::kFloat).device(student.parameters.device());
  for (std::size_t v = 0; v < plans.size(); ++v) {
    const std::int64_t size = plans[v].image_size;
    const at::Tensor images = at::from_blob(places.at(v), {batch.images_count, 3, size, size}, there);
    samples.views.push_back(images.to(tensor_type(student.parameters.compute_type())));
  }
  return samples;
}

at::Tensor loss_of_lane(const Task& task, const Network& student, Network* teacher,
                        const LaneSamples& samples, const Remembered& remembered, const models::Pass& pass,
                        std::span<double> shared) {
  models::Pass of_teacher;
  of_teacher.training = true;  // batch norm takes the batch's statistics; nothing is left out
  of_teacher.drop_path_scale = 0;
  if (teacher != nullptr) of_teacher.before_block = [teacher](int block) { teacher->wait_for(block); };
  const models::Model* const taught_by = teacher == nullptr ? nullptr : teacher->model.get();
  return task.lane_loss({*student.model, samples.batch, samples.views, remembered.state, pass, taught_by,
                         of_teacher, remembered.rows},
                        shared);
}

}  // namespace vitrail::trainer
