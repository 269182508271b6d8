#include "trainer/tasks/unlabelled/grafit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "datasets/loader/sampler.hpp"
#include "models/features.hpp"
#include "models/heads/logits.hpp"
#include "models/layers/layers.hpp"
#include "models/on_device.hpp"
#include "models/weights/init.hpp"
#include "trainer/device/tensor_type.hpp"
#include "trainer/tasks/task_views.hpp"
#include "trainer/tasks/unlabelled/pass_statistics.hpp"

namespace vitrail::trainer {
namespace {

constexpr double kShortest = 1e-12;
constexpr double kNever = -std::numeric_limits<double>::infinity();

at::Tensor table_of(const sharding::SampleRows& rows, c10::Device device) {
  const auto& [samples, width, lanes] = rows.shape();
  // from_blob() knows no memory that is only read.
  return at::from_blob(const_cast<std::byte*>(rows.data()), {samples, width},
                       at::TensorOptions(tensor_type(rows.type())).device(device));
}

at::Tensor row_numbers(std::span<const std::uint64_t> samples, const sharding::SampleRows& rows,
                       c10::Device device) {
  std::vector<std::int64_t> numbers;
  for (const std::uint64_t sample : samples)
    numbers.push_back(rows.row_of(static_cast<std::int64_t>(sample)));
  return models::on_device(numbers, device);
}

// Rows of embeddings, each with the number of its sample before it, in an order that ranks do not change. A
// sample may come up several times (copies, replacements of damaged images): its k-th time is of round k.
struct Seen {
  std::vector<std::uint64_t> samples;
  std::vector<double> values;
};

std::vector<Seen> in_rounds(const LaneValues& shared, std::size_t width) {
  std::vector<Seen> rounds;
  std::map<std::uint64_t, std::size_t> times;
  for (std::size_t at = 0; at < shared.all.size(); at += 1 + width) {
    const auto sample = static_cast<std::uint64_t>(shared.all[at]);
    const std::size_t round = times[sample]++;
    if (round == rounds.size()) rounds.emplace_back();
    const auto row = shared.all.subspan(at + 1, width);
    rounds[round].samples.push_back(sample);
    rounds[round].values.insert(rounds[round].values.end(), row.begin(), row.end());
  }
  return rounds;
}

}  // namespace

at::Tensor instance_loss(const at::Tensor& predictions, const at::Tensor& targets, std::int64_t views) {
  const auto apart = [views](const at::Tensor& x) {
    return models::over_length(x).view({views, x.size(0) / views, x.size(1)});
  };
  const at::Tensor asked = apart(predictions), wanted = apart(targets);
  const at::Tensor all = (asked.sum(0) * wanted.sum(0)).sum(1),
                   same = (asked * wanted).sum(at::IntArrayRef({0, 2}));
  return (same - all).mean() / static_cast<double>(views * (views - 1));
}

at::Tensor neighbour_loss(const at::Tensor& embeddings, const at::Tensor& rows, const at::Tensor& labels,
                          const at::Tensor& own, double temperature) {
  const at::Tensor lengths = rows.norm(2, {1}).clamp_min(kShortest);
  const at::Tensor products = at::mm(models::over_length(embeddings).to(rows.scalar_type()), rows.t());
  const at::Tensor place = own.unsqueeze(1);
  const at::Tensor scores = (products / (lengths * temperature)).scatter(1, place, kNever);
  const at::Tensor alike =
      labels.unsqueeze(0).eq(labels.index_select(0, own).unsqueeze(1)).scatter(1, place, false);
  const at::Tensor kept = alike.any(1).nonzero().squeeze(1);
  if (kept.numel() == 0) return (embeddings * 0).sum();
  const at::Tensor of_kept = scores.index_select(0, kept);
  const at::Tensor right = of_kept.masked_fill(alike.index_select(0, kept).logical_not(), kNever);
  return (of_kept.logsumexp(1) - right.logsumexp(1)).sum() / static_cast<double>(embeddings.size(0));
}

Grafit::Grafit(const Config& config, c10::Device device, const datasets::Dataset& data)
    : grafit_(config.grafit),
      views_(task_views(config)),
      seed_(config.run.seed),
      lane_images_(config.data.global_batch_size / config.lane_groups()),
      classes_(data.classes()),
      samples_(data.size()) {
  const std::int64_t epoch = datasets::steps_per_epoch(samples_, config.data.global_batch_size);
  total_steps_ = config.run.steps > 0 ? config.run.steps : config.run.epochs * epoch;
  std::vector<std::int64_t> labels;
  for (std::int64_t lane = 0; lane < config.lane_groups(); ++lane) {
    for (std::int64_t sample = lane; sample < samples_; sample += config.lane_groups())
      labels.push_back(data.label(sample));
  }
  labels_ = models::on_device(labels, device);
}

at::Tensor Grafit::loss_of_instances(const LaneInput& lane, const models::Pass& pass) const {
  const auto views = lane.views.first(static_cast<std::size_t>(instance_views()));
  const at::Tensor images = at::cat(at::TensorList(views.data(), views.size()));
  const at::Tensor predictions = models::widened(lane.student.forward(images, pass).distillation);
  at::Tensor targets;
  {
    const at::NoGradGuard no_grad;
    targets = models::widened(lane.teacher->forward(images, lane.teacher_pass).classes);
  }
  return instance_loss(predictions, targets, instance_views()) * grafit_.instance_weight;
}

at::Tensor Grafit::lane_loss(const LaneInput& lane, std::span<double> shared) const {
  PassStatistics statistics;
  models::Pass pass = lane.pass;
  statistics.listen(pass);
  at::Tensor loss;
  if (instance_views() > 0) loss = loss_of_instances(lane, pass);
  pass.number = 1;
  const at::Tensor embeddings = models::widened(lane.student.forward(lane.views.back(), pass).classes);
  statistics.report(lane.pass);
  const at::Tensor own = row_numbers(lane.batch.sample_ids, *lane.rows, embeddings.device());
  const at::Tensor of_neighbours = neighbour_loss(embeddings, table_of(*lane.rows, embeddings.device()),
                                                  labels_, own, grafit_.temperature);
  const at::Tensor seen = models::over_length(embeddings.detach()).to(at::kCPU, at::kDouble).contiguous();
  auto to = shared.begin();
  for (std::int64_t i = 0; i < seen.size(0); ++i) {
    *to++ = static_cast<double>(lane.batch.sample_ids[static_cast<std::size_t>(i)]);
    to = std::copy_n(seen.const_data_ptr<double>() + i * seen.size(1), seen.size(1), to);
  }
  return loss.defined() ? loss + of_neighbours : of_neighbours;
}

std::size_t Grafit::shared_values() const {
  return static_cast<std::size_t>(lane_images_ * (1 + row_width()));
}

void Grafit::after_exchange(const LaneValues& shared, TaskState& /*state*/,
                            sharding::SampleRows* rows) const {
  const at::NoGradGuard no_grad;
  at::Tensor table = table_of(*rows, labels_.device());
  for (const Seen& seen : in_rounds(shared, static_cast<std::size_t>(row_width()))) {
    const at::Tensor which = row_numbers(seen.samples, *rows, table.device());
    const at::Tensor found =
        models::on_device(seen.values, table.device()).view({-1, row_width()}).to(table.scalar_type());
    const double kept = grafit_.memory_momentum;
    at::Tensor moved = table.index_select(0, which) * kept + found * (1 - kept);
    if (grafit_.memory_renormalised) moved = models::over_length(moved);
    table.index_copy_(0, which, moved);
  }
}

double Grafit::teacher_momentum(std::int64_t step) const {
  return rising_momentum(grafit_.momentum, step, total_steps_);
}

// As SNCA's code begins: uniform, of length 1 on average.
void Grafit::begin_rows(sharding::SampleRows& rows) const {
  const std::int64_t width = row_width();
  const models::Init law{models::Init::Law::uniform, std::sqrt(3 / static_cast<double>(width))};
  for (std::int64_t lane = 0; lane < rows.shape().lanes; ++lane) {
    std::vector<double> values(static_cast<std::size_t>(rows.elements_of(lane).count));
    std::span<double> rest = values;
    for (std::int64_t sample = lane; sample < samples_; sample += rows.shape().lanes) {
      models::fill_initial(law, seed_, "memory", sample * width, rest.first(static_cast<std::size_t>(width)));
      rest = rest.subspan(static_cast<std::size_t>(width));
    }
    sharding::with_real(rows.type(), [&](auto real) {
      const std::vector<decltype(real)> rounded(values.begin(), values.end());
      rows.write(lane, std::as_bytes(std::span(rounded)).data());
    });
  }
}

std::vector<std::string> Grafit::log_lines() const {
  const std::string neighbours = fmt::format(
      "grafit: each image looks for its class, one of {}, among the remembered embeddings of all {}, {} "
      "numbers each",
      classes_, samples_, row_width());
  if (instance_views() == 0) return {neighbours};
  return {neighbours,
          fmt::format("grafit: {} views of it predict the average network's embeddings of each other",
                      instance_views())};
}

}  // namespace vitrail::trainer
