// How every family's make() goes from a configuration to a network: declared once, then built around what was
// declared. Throws: as the family's declare().
#pragma once

#include <memory>
#include <utility>

#include "models/model.hpp"

namespace vitrail::models {

template <class Network, class Config>
std::unique_ptr<Model> make_declared(const Config& config) {
  Declaration declared;
  auto parameters = config.declare(declared);
  return std::make_unique<Network>(config, declared, std::move(parameters));
}

}  // namespace vitrail::models
