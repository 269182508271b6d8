#include "trainer/run/run_agreement.hpp"

#include <ATen/ATen.h>

#include "sharding/agreement/agreement.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/run/program.hpp"
#include "trainer/settings/settings.hpp"

namespace vitrail::trainer {
namespace {

std::string hash_of_plan(const sharding::BucketPlan& plan) {
  std::string text = fmt::format("{} lanes\n", plan.lanes);
  for (std::size_t p = 0; p < plan.parameters.size(); ++p) {
    const auto& [name, elements, matrix, head] = plan.parameters[p];
    text += fmt::format("{} {} {} {} {}\n", name, elements, matrix, plan.locations[p].bucket,
                        plan.locations[p].begin);
  }
  return hash_text(text).hex();
}

}  // namespace

void check_same_program(sharding::Communicator& communicator, const TrainRequest& request) {
  if (communicator.size() == 1) return;
  std::vector<sharding::Fact> facts;
  for (const auto& [key, value] : request.program) facts.push_back({"the program (" + key + ")", value});
  for (const auto& [key, value] : settings_of(request.config)) facts.push_back({key, value});
  sharding::check_agreement(communicator, facts, ExitCode::refused,
                            "start all ranks with the same program and the same configuration");
}

void check_same_plan(const Assembly& run, Log& log) {
  if (run.communicator.size() == 1) return;
  sharding::check_agreement(
      run.communicator,
      {{"data.train (fingerprint)", run.train_data->fingerprint()},
       {"data.val (fingerprint)", run.validation_data ? run.validation_data->fingerprint() : "none"},
       {"the bucket plan (hash)", hash_of_plan(run.plan)}},
      ExitCode::refused, "let all ranks read the same data");
  const std::vector<std::string> machines = sharding::gather_text(run.communicator, machine_name(run.device));
  const auto other = std::ranges::find_if(machines, [&](const auto& m) { return m != machines.front(); });
  if (other == machines.end()) return;
  log.line(
      fmt::format("rank 0 computes with {}, rank {} with {}: the same bits as on alike machines are not "
                  "promised",
                  machines.front(), other - machines.begin(), *other));
}

void check_same_weights(Assembly& run) {
  if (run.communicator.size() == 1) return;
  Hasher hasher;
  for (std::size_t b = 0; b < run.plan.buckets.size(); ++b) {
    const at::Tensor bucket = run.student.parameters.on_host(b);
    hasher.update({static_cast<const std::byte*>(bucket.const_data_ptr()), bucket.nbytes()});
  }
  if (run.rows) {
    std::vector<std::byte> rows;
    for (std::int64_t lane = 0; lane < run.rows->shape().lanes; ++lane) {
      rows.resize(run.rows->bytes_of(lane));
      run.rows->read(lane, rows.data());
      run.rows->device().compute().finish();
      hasher.update(rows);
    }
  }
  sharding::check_agreement(run.communicator, {{"the weights (hash)", hasher.digest().hex()}},
                            ExitCode::crash,
                            "the memory or the network of that node is not to be trusted; the same command "
                            "resumes from the last checkpoint");
}

}  // namespace vitrail::trainer
