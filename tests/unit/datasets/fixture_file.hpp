// Tensors of a committed fixture, by type; the scripts that made them are in tests/peers.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "datasets/pixels/image.hpp"
#include "trainer/base/files/safetensors.hpp"

namespace vitrail::datasets {

class FixtureFile {
 public:
  explicit FixtureFile(const std::string& name)
      : reader_(std::string(VITRAIL_FIXTURES) + "/datasets/" + name + ".safetensors") {}

  std::vector<float> floats(const std::string& name) const { return read<float>(name, DataType::f32); }
  std::vector<double> doubles(const std::string& name) const { return read<double>(name, DataType::f64); }
  std::vector<std::int64_t> integers(const std::string& name) const {
    return read<std::int64_t>(name, DataType::i64);
  }

  // A [rows, columns] tensor of doubles or integers, row by row.
  std::vector<std::vector<double>> table(const std::string& name) const {
    const auto columns = static_cast<std::size_t>(reader_.info(name).shape.at(1));
    std::vector<double> values;
    if (reader_.info(name).type == DataType::f64) {
      values = doubles(name);
    } else {
      for (const std::int64_t v : integers(name)) values.push_back(static_cast<double>(v));
    }
    std::vector<std::vector<double>> rows;
    for (std::size_t i = 0; i < values.size(); i += columns) {
      const auto begin = values.begin() + static_cast<std::ptrdiff_t>(i);
      rows.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(columns));
    }
    return rows;
  }

  Image image(const std::string& name) const {
    const auto& shape = reader_.info(name).shape;
    return {static_cast<int>(shape.at(1)), static_cast<int>(shape.at(0)),
            read<std::uint8_t>(name, DataType::u8)};
  }

 private:
  template <class Value>
  std::vector<Value> read(const std::string& name, DataType type) const {
    const TensorInfo& info = reader_.info(name);
    if (info.type != type) throw std::invalid_argument(name + " has another type");
    std::vector<Value> values(static_cast<std::size_t>(info.elements()));
    reader_.read(name, std::as_writable_bytes(std::span(values)));
    return values;
  }

  SafetensorsReader reader_;
};

}  // namespace vitrail::datasets
