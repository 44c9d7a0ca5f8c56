# SPDX-License-Identifier: Apache-2.0
# What the training side builds on. Each dependency has one room that may see it (docs/decisions.md).
find_package(PkgConfig REQUIRED)
find_package(HDF5 REQUIRED COMPONENTS C)                              # io
find_package(dnnl REQUIRED)                                           # kernels/onednn
find_package(TIFF REQUIRED)                                           # io
find_package(ZLIB REQUIRED)                                           # io
find_package(Threads REQUIRED)
pkg_check_modules(SPNG REQUIRED IMPORTED_TARGET spng)                 # io
pkg_check_modules(TURBOJPEG REQUIRED IMPORTED_TARGET libturbojpeg)    # io
pkg_check_modules(CYAML REQUIRED IMPORTED_TARGET libcyaml)            # io
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)             # io
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)           # io
add_library(drae_dependencies INTERFACE)
target_link_libraries(drae_dependencies INTERFACE HDF5::HDF5 DNNL::dnnl TIFF::TIFF ZLIB::ZLIB Threads::Threads
  PkgConfig::SPNG PkgConfig::TURBOJPEG PkgConfig::CYAML PkgConfig::YAML PkgConfig::JANSSON m)
if(DRAE_MPI)
  find_package(MPI REQUIRED COMPONENTS C)                             # train/comm_mpi.c
  target_link_libraries(drae_dependencies INTERFACE MPI::MPI_C)
endif()
