#include "trainer/open_data.hpp"

#include "sharding/agreement/gather_text.hpp"
#include "sharding/agreement/nodes.hpp"

namespace vitrail::trainer {

std::shared_ptr<const datasets::Dataset> open_together(const datasets::DataConfig& config, DataUse use,
                                                       sharding::Communicator& communicator,
                                                       const std::string& key) {
  const bool training = use == DataUse::training;
  datasets::OpenOptions options =
      training
          ? datasets::training_data(config)
          : datasets::OpenOptions{.given_as = key + " =", .classes = config.classes, .coarse = config.coarse};
  options.check_shards = communicator.rank() == 0;
  options.check_index = sharding::rank_on_node(communicator) == 0;
  if (training) options.stage_dir = config.stage_dir;
  std::shared_ptr<const datasets::Dataset> dataset;
  sharding::agree(communicator,
                  [&] { dataset = datasets::open_dataset(training ? config.train : config.val, options); });
  return dataset;
}

}  // namespace vitrail::trainer
