#include <fmt/format.h>

#include "datasets/packing/parquet/parquet_source.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {

std::unique_ptr<Source> open_parquet_source(const std::string& /*pattern*/,
                                            const SourceOptions& /*options*/) {
  throw Error(ExitCode::refused, "this program was built without Parquet",
              "build it with -DVITRAIL_PARQUET=ON (ci/install.sh parquet fetches Arrow), or write the images "
              "as files: "
              "for each row of pyarrow.parquet.ParquetFile(FILE).iter_batches() image['bytes'] into a folder "
              "for each "
              "label (folder:), or into WebDataset tars (wds:)");
}

}  // namespace vitrail::datasets
