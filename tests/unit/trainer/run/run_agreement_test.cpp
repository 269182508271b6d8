// Ranks that have come to differ, found before the next step.
#include "trainer/run/run_agreement.hpp"

#include <gmock/gmock.h>

#include "sharding/agreement/gather_text.hpp"
#include "tests/support/assembled.hpp"
#include "tests/support/faulty_communicator.hpp"
#include "tests/support/thread_world.hpp"
#include "tests/unit/trainer/tiny_run.hpp"
#include "trainer/run/memory_probe.hpp"

namespace vitrail::trainer {
namespace {

using testing::HasSubstr;

Config tiny() {
  Config config = tiny_run();
  config.model.drop_path = 0.5;
  return config;
}

// The n-th gather that brings weights to rank 2 flips one bit there.
void train_with_a_flipped_bit(int nth_gather, const std::function<void(Assembly&)>& check) {
  tests::run_world(4, [&](sharding::Communicator& ranks) {
    tests::Assembled assembled(tiny(), ranks);
    Assembly& assembly = assembled.run;
    Log silent(false);
    assembly.initialise_weights(silent);
    const tests::Fault::Effect effect =
        ranks.rank() == 2 ? tests::Fault::Effect::corrupt : tests::Fault::Effect::none;
    tests::FaultyCommunicator faulty(assembly.communicator,
                                     {effect, sharding::CallKind::all_gather, nth_gather});
    sharding::ParameterGather gather(assembly.plan, assembly.exchange, assembly.gradients.layout().held,
                                     faulty, assembled.device.memory());
    gather.start(assembly.student.parameters.buckets());
    gather.finish();
    check(assembly);
  });
}

TEST(RunAgreement, AFlippedBitInOneRanksWeightsIsNamed) {
  for (const int bucket : {1, 2}) {
    train_with_a_flipped_bit(bucket, [](Assembly& assembly) {
      try {
        check_same_weights(assembly);
        ADD_FAILURE() << "nothing was found";
      } catch (const sharding::AgreedError& e) {
        EXPECT_EQ(e.rank(), 2);
        EXPECT_EQ(e.code(), ExitCode::crash);
        EXPECT_THAT(e.what(), HasSubstr("the weights (hash) is"));
        EXPECT_THAT(e.what(), HasSubstr("on rank 2 ("));
        EXPECT_THAT(e.what(), HasSubstr("on 3 others"));
      }
    });
  }
}

TEST(RunAgreement, EqualRanksHaveNothingToSay) {
  train_with_a_flipped_bit(1000, [](Assembly& assembly) {
    Log silent(false);
    check_same_plan(assembly, silent);
    check_same_weights(assembly);
  });
}

TEST(RunAgreement, OtherDataAreNamed) {
  tests::run_world(3, [](sharding::Communicator& ranks) {
    Config config = tiny();
    if (ranks.rank() == 1) config.data.train = "synthetic:64,4,20";
    tests::Assembled assembled(config, ranks);
    Assembly& assembly = assembled.run;
    Log silent(false);
    try {
      check_same_plan(assembly, silent);
      ADD_FAILURE() << "nothing was found";
    } catch (const sharding::AgreedError& e) {
      EXPECT_EQ(e.rank(), 1);
      EXPECT_THAT(e.what(), HasSubstr("data.train (fingerprint)"));
    }
  });
}

TEST(MemoryProbe, ChangesNothing) {
  const auto step_after = [](bool probed) {
    std::string loss;
    tests::run_world(2, [&](sharding::Communicator& ranks) {
      tests::Assembled assembled(tiny(), ranks);
      Assembly& assembly = assembled.run;
      Log silent(false);
      assembly.initialise_weights(silent);
      if (probed) {
        EXPECT_GT(probe_memory(assembly), 10 << 20);
      }
      assembly.start_loader({});
      PhaseLog phases(0, std::nullopt);
      StepContext context = assembly.context(phases);
      TrainState state;
      StepResult result{};
      for (int i = 0; i < 3; ++i) result = train_step(context, state, {}, {});
      if (ranks.rank() == 0) loss = fmt::format("{} {}", result.loss, result.grad_norm);
    });
    return loss;
  };
  EXPECT_EQ(step_after(true), step_after(false));
}

}  // namespace
}  // namespace vitrail::trainer
