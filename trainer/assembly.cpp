#include "trainer/assembly.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "datasets/loader/sampler.hpp"
#include "models/families/catalogue.hpp"
#include "sharding/agreement/gather_text.hpp"
#include "sharding/agreement/nodes.hpp"
#include "sharding/state/weight_average.hpp"
#include "trainer/device/compute_device.hpp"
#include "trainer/device/device_peak.hpp"
#include "trainer/gradient_hooks.hpp"
#include "trainer/open_data.hpp"
#include "trainer/settings/compute_type.hpp"
#include "trainer/settings/sample_cost.hpp"
#include "trainer/settings/task_network.hpp"
#include "trainer/sharding_plan.hpp"
#include "trainer/tasks/same_classes.hpp"
#include "trainer/weights/param_groups.hpp"
#include "trainer/weights/weight_source.hpp"

namespace vitrail::trainer {
namespace {

std::shared_ptr<const datasets::Dataset> open_checked(const Config& config, DataUse use,
                                                      sharding::Communicator& communicator) {
  const bool is_training = use == DataUse::training;
  auto dataset = open_together(is_training ? config.data : evaluated_data(config), use, communicator);
  if (is_training)
    check_training_labels(config, dataset->classes());
  else
    check_evaluation_labels(config.data.val, dataset->classes());
  const models::ModelConfig& model = config.model;
  if (learns_labels(config.task.name) && dataset->classes() > model.classes &&
      (is_training || !judged_by_neighbours(config))) {
    throw Error(ExitCode::refused,
                fmt::format("{} has {} classes, model.classes is {}", dataset->describe(), dataset->classes(),
                            model.classes),
                fmt::format("set model.classes = {}", dataset->classes()));
  }
  return dataset;
}

// Whose labels vote.
std::shared_ptr<const datasets::Dataset> known_images(const Config& config,
                                                      const std::shared_ptr<const datasets::Dataset>& trained,
                                                      const std::shared_ptr<const datasets::Dataset>& asked,
                                                      sharding::Communicator& communicator) {
  if (!judged_by_neighbours(config) || !asked) return nullptr;
  const bool are_trained = config.evaluation.known.empty() && config.data.coarse.empty();
  auto known = are_trained ? trained : open_known_images(config, config.data, communicator);
  check_known_classes(*known, *asked);
  return known;
}

// MPI's own sums know no half types.
sharding::ReducerOptions settings_on(c10::Device device, const Config& config,
                                     const sharding::ExchangePlan& exchange) {
  const sharding::ReducerOptions settings = gradient_settings(config, exchange.world);
  if (!device.is_cpu()) return with_turns(settings, exchange.route);
  if (exchange.by_library() && device.is_cpu() && exchange.world > 1 && size_of(settings.matrix_type) == 2) {
    throw Error(ExitCode::refused,
                fmt::format("MPI adds no {} values, as sharding.reduction = fast wants",
                            name_of(settings.matrix_type)),
                "set sharding.sum_type = fp32, or leave sharding.reduction out");
  }
  return settings;
}

// Statistics follow what a pass finds; they have no gradient.
std::vector<bool> learned_parameters(const Config& config, const models::ParameterSpecs& specs) {
  std::vector<bool> learned = trained_parameters(specs, config.finetune.train_only);
  for (std::size_t p = 0; p < specs.size(); ++p) learned[p] = learned[p] && !specs[p].is_statistic();
  return learned;
}

WeightSource weights_to_begin_with(const Config& config, const std::vector<models::ParameterSpec>& parameters,
                                   const std::vector<std::string>& classes) {
  try {
    return {config, "", parameters, classes};
  } catch (const Error& e) {
    if (config.model.weights.empty()) throw;
    const std::string setting = "model.weights = " + config.model.weights;
    if (!e.hint().empty()) throw e.in(setting);
    throw Error(e.code(), e.in(setting).what(), "give a safetensors file or the folder of a run");
  }
}

std::optional<sharding::SampleRows> rows_of(const Task& task, const sharding::RowsShape& shape,
                                            sharding::LaneState& beside) {
  if (task.row_width() == 0) return std::nullopt;
  return std::optional<sharding::SampleRows>(std::in_place, shape, beside.type(), beside.device());
}

// By its data sheet; 0: not known.
double peak_of_model(c10::Device device, Precision precision) {
  const auto peak = device.is_cpu() ? std::nullopt : peak_of(machine_name(device));
  return peak ? peak->tflops(precision).value_or(0) : 0;
}

}  // namespace

struct Assembly::Hooks {
  GradientHooks hooks;
};

Assembly::Assembly(const Config& settings, sharding::Communicator& ranks, ComputeDevice& where,
                   const TaskMaker& make)
    : config(settings),
      communicator(ranks),
      device(where.torch()),
      train_data(open_checked(config, DataUse::training, communicator)),
      validation_data(config.data.val.empty() ? nullptr
                                              : open_checked(config, DataUse::evaluation, communicator)),
      known_data(known_images(config, train_data, validation_data, communicator)),
      steps_per_epoch(datasets::steps_per_epoch(train_data->size(), config.data.global_batch_size)),
      total_steps(trainer::total_steps(config.run, steps_per_epoch)),
      schedule(config, total_steps, steps_per_epoch),
      specs(models::parameters_of(network_of(config))),
      task(make(config, device, *train_data)),
      plan(bucket_plan(config, specs)),
      topology(sharding::gather_topology(communicator)),
      exchange(exchange_plan(config, topology,
                             widest_slice(plan, gradient_settings(config, communicator.size())))),
      gradients(plan, exchange, settings_on(device, config, exchange), communicator, where.memory()),
      lane_state(plan, gradients.layout().held, gradients.type(), where.memory(),
                 sharding::state_kinds(config.optimizer.name, has_average(config))),
      rows(rows_of(*task, {train_data->size(), task->row_width(), config.lane_groups()}, lane_state)),
      optimizer(config.optimizer, parameter_rules(specs, config.optimizer, config.finetune.train_only),
                communicator),
      student(config, exchange, lane_state, sharding::StateKind::weight, learned_parameters(config, specs),
              communicator, where),
      frozen(specs, trained_parameters(specs, config.finetune.train_only), where.memory()),
      images(where.memory()) {
  if (validation_data && !known_data)
    check_same_classes(class_ids(*train_data), "data.train = " + config.data.train, *validation_data);
  at::set_num_threads(static_cast<int>(config.run.threads));
  if (config.run.peak_tflops == 0) config.run.peak_tflops = peak_of_model(device, config.precision.compute);
  if (count_networks(config) > 1) {
    average.emplace(config, exchange, lane_state, sharding::StateKind::ema, std::vector<bool>(specs.size()),
                    communicator, where);
  }
  hooks_.reset(new Hooks{{student.parameters.tensors(), gradients}});
}

Assembly::~Assembly() = default;

std::string Assembly::initialise_weights(Log& log) {
  const WeightSource source = weights_to_begin_with(config, specs, class_ids(*train_data));
  for (const std::string& words : source.log_lines()) log.line(words);
  sharding::agree(communicator, [&] { source.fill(lane_state); });  // a rank may find what others do not read
  if (has_average(config)) sharding::start_average(lane_state);
  if (rows) task->begin_rows(*rows);
  publish();
  return source.record();
}

void Assembly::publish() {
  student.publish();
  if (Network* const other = teacher()) other->publish();
}

void Assembly::finish_publishing() {
  student.gather.finish();
  if (Network* const other = teacher()) other->gather.finish();
}

Network* Assembly::teacher() { return has_teacher(config) ? &*average : nullptr; }

const models::Model& Assembly::evaluated_model() {
  if (config.evaluation.weights == WeightsUsed::raw || !average) return *student.model;
  if (!has_teacher(config)) average->publish();  // a teacher is as each step leaves it
  return *average->model;
}

void Assembly::start_loader(const TrainState& state, const datasets::ImageWatch& watch) {
  const sharding::LaneRange groups = gradients.layout().lanes;
  const std::int64_t together = config.model.batch_norm_lanes;
  const datasets::LaneShare lanes{config.run.seed, config.run.lanes, groups.begin * together,
                                  groups.end * together};
  loader_.emplace(train_data,
                  datasets::TrainLoaderOptions{lanes, config.data, task->views(), state.next_batch(),
                                               state.damaged, batch_memory(device), watch});
}

datasets::DamageLedger Assembly::share_damage() {
  datasets::DamageLedger all;
  for (const std::string& text :
       sharding::gather_text(communicator, datasets::to_text(loader_->take_damage_news()))) {
    all.merge(datasets::parse_damage(text));
  }
  loader_->know_damage(all);
  return all;
}

StepContext Assembly::context(PhaseLog& phases) {
  return {config,       schedule,  *task,     student,    teacher(), *loader_,
          communicator, gradients, optimizer, lane_state, frozen,    rows ? &*rows : nullptr,
          images,       phases};
}

std::optional<double> Assembly::mfu(double images_per_s, std::int64_t step) const {
  if (config.run.peak_tflops == 0) return std::nullopt;
  constexpr double kFlopsPerMac = 2, kPasses = 3;  // backward: gradients of inputs and of weights
  models::ModelConfig model_now = network_of(config);
  model_now.drop_path = schedule.drop_path(step);
  const SampleCost cost = sample_cost(config, model_now);
  const double flops = kFlopsPerMac * (kPasses * cost.student + cost.teacher);
  return flops * images_per_s / (config.run.peak_tflops * 1e12 * communicator.size());
}

sharding::MemoryPlan Assembly::planned_memory() const {
  return memory_plan(plan, exchange, gradients.settings(),
                     {student.parameters.compute_type(), lane_state.kinds().size(), count_networks(config)});
}

std::int64_t Assembly::most_memory() const {
  if (device.is_cpu()) return peak_memory(device);
  const sharding::MemoryPlan planned = planned_memory();
  const auto of_rows =
      rows ? rows->shape().samples * rows->shape().width * static_cast<std::int64_t>(size_of(rows->type()))
           : 0;
  return peak_memory(device) + planned.total() - planned.weights + of_rows +
         images.bytes();  // weights are tensors
}

void Assembly::say_what_it_is(Log& log) const {
  if (!config.finetune.train_only.empty()) log.line(describe_trained(specs, config.finetune.train_only));
  for (const std::string& line : task->log_lines()) log.line(line);
  const std::int64_t elements = plan.parameter_elements();
  const std::int64_t together = config.model.batch_norm_lanes;
  const std::int64_t per_rank = (config.lane_groups() + communicator.size() - 1) / communicator.size();
  log.line(fmt::format("model {}: {:.2f} M parameters in {} buckets, {} at {} px, {} classes",
                       config.model.name, static_cast<double>(elements) / 1e6, plan.buckets.size(),
                       name_of(student.parameters.compute_type()), config.model.image_size,
                       config.model.classes));
  if (size_of(student.parameters.compute_type()) == 2 && device.is_cpu()) {
    log.line(fmt::format("{} storage, fp32 arithmetic: this is a CPU, times say nothing about half precision",
                         name_of(student.parameters.compute_type())));
  }
  if (const auto used = models::describe_model(config.model).pixels_used; used != config.model.image_size) {
    log.line(
        fmt::format("images of {0} x {0} px: whole patches fill {1} x {1}, the {2} px at the right and at "
                    "the bottom are not looked at",
                    config.model.image_size, used, config.model.image_size - used));
  }
  const auto classes = train_data->classes();
  if (learns_labels(config.task.name) && classes < config.model.classes) {
    log.line(fmt::format("model.classes = {}: {} has {} classes, the other outputs never see an image",
                         config.model.classes, train_data->describe(), classes));
  }
  log.line(fmt::format("data: {} ({} images), {} step{} of {} images an epoch, {} in all",
                       train_data->describe(), train_data->size(), steps_per_epoch,
                       steps_per_epoch == 1 ? "" : "s", config.data.global_batch_size, total_steps));
  log.line(
      fmt::format("world size {}, {} thread{} a rank; global batch {} = {} micro-batch{} (lanes) x {}, "
                  "{}gradient accumulation {}",
                  communicator.size(), config.run.threads, config.run.threads == 1 ? "" : "s",
                  config.data.global_batch_size, config.run.lanes, config.run.lanes == 1 ? "" : "es",
                  config.data.global_batch_size / config.run.lanes,
                  together > 1 ? fmt::format("{} of them as one batch, ", together) : "", per_rank));
  if (communicator.size() > 1)
    log.line(
        describe_exchange(exchange, plan, topology, gradients.settings(), student.parameters.compute_type()));
  for (const std::string& note : schedule_notes(config, schedule)) log.line(note);
  const sharding::MemoryPlan memory = planned_memory();
  const auto mib = [](std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  log.line(
      fmt::format("memory per rank (sharding.stage = {}): weights {:.1f} MiB, optimizer state {:.1f} MiB, {} "
                  "{:.1f} MiB, communication buffers {:.1f} MiB; activations not included",
                  config.sharding.stage, mib(memory.weights), mib(memory.state),
                  memory.full_sums == 0   ? "gradient buckets in flight"
                  : memory.full_sums == 1 ? "1 full gradient sum"
                                          : fmt::format("{} full gradient sums", memory.full_sums),
                  mib(memory.gradients), mib(memory.exchange)));
}

}  // namespace vitrail::trainer
