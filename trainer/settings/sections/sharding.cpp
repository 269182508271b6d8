#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

using namespace sharding;

SettingCondition with_halves() {
  return {"precision.compute", "precision.compute = fp16 or bf16",
          [](const Config& config) { return is_half(config.precision.compute); }};
}

}  // namespace

void add_sharding_settings(std::vector<Setting>& table) {
  const Section sharding(
      table, "sharding", [](auto& config) -> auto& { return config.sharding; });
  sharding.choice(
      "communicator", &ShardingConfig::communicator,
      {{CommunicatorKind::automatic, "auto"},
       {CommunicatorKind::mpi, "mpi"},
       {CommunicatorKind::nccl, "nccl"},
       {CommunicatorKind::local, "local"}},
      Effect::speed,
      {.help = "library for communication between ranks; auto: nccl where each rank has a GPU of its own, "
               "else mpi; local: world size 1"});
  sharding.add(
      "stage", &ShardingConfig::stage, Effect::speed,
      {.help =
           "what is sharded over ranks, as in ZeRO: 0 nothing, 1 optimizer state, 2 gradients as well (one "
           "micro-batch a rank); no result depends on it",
       .bounds = from_to(0, 2)},
      {.words = "", .holds = {}, .complaint = [](std::int64_t stage) -> std::string {
         return stage == 3 ? "weights are not sharded yet" : "";
       }});
  sharding.choice(
      "reduction", &ShardingConfig::reduction,
      {{Reduction::reproducible, "reproducible"}, {Reduction::fast, "fast"}}, Effect::identity,
      {.help = "sums of gradients: the same bits at any world size, or in the library's own order"});
  sharding.choice("sum_type", &ShardingConfig::sum_type,
                  {{SumType::fp32, "fp32"}, {SumType::compute, "compute"}}, Effect::identity,
                  {.help = "type in which matrices' gradients are accumulated and sent; compute: that of "
                           "precision.compute, half the bytes",
                   .when = {with_halves()}});
  sharding.choice(
      "exchange", &ShardingConfig::exchange,
      {{ExchangeChoice::automatic, "auto"},
       {ExchangeChoice::direct, "direct"},
       {ExchangeChoice::two_level, "two_level"},
       {ExchangeChoice::halving, "halving"}},
      Effect::speed,
      {.help =
           "how gradients and weights travel: direct, each rank to each; two_level, within nodes and then "
           "between them; halving, half of what is left to one partner after the other; auto: what takes "
           "least on these nodes; no result depends on it"});
  sharding.add("bucket_mib", &ShardingConfig::bucket_mib, Effect::speed,
               {.help = "gradients reduced in one call; 0: 32, from 1024 lanes on 64",
                .bounds = from_to(0, 4096),
                .unit = "MiB"});
  sharding.add("overlap", &ShardingConfig::overlap, Effect::speed,
               {.help = "overlap communication with backward; no result depends on it"});
  sharding.add(
      "timeout", &ShardingConfig::timeout, Effect::place,
      {.help = "longest wait for other ranks in one call; then the run ends with exit status 86, up to 8 s "
               "later, which ranks spend waiting for each other's reports"},
      {"a time: 30s, 10min, 2h; 0s: no limit", is_time});
  sharding.add(
      "compare_every", &ShardingConfig::compare_every, Effect::place,
      {.help = "time between checks that all ranks hold the same weights; a rank with other weights is "
               "named; 0st: at the start only"},
      {"a length in epochs or steps: 5ep, 1000st", counts_images});
}

}  // namespace vitrail::trainer
