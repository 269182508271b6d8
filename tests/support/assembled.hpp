// A run as trainer/run/train.cpp puts it together, on the device that its configuration asks for.
#pragma once

#include "trainer/assembly.hpp"

namespace vitrail::tests {

struct Assembled {
  Assembled(const trainer::Config& config, sharding::Communicator& ranks,
            const trainer::Assembly::TaskMaker& make = trainer::make_task)
      : device(config, ranks),
        over_device(device.communicator(config.sharding, ranks)),
        run(config, over_device ? *over_device : ranks, device, make) {}

  trainer::ComputeDevice device;
  std::unique_ptr<sharding::Communicator> over_device;
  trainer::Assembly run;
};

}  // namespace vitrail::tests
