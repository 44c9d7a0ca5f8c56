# SPDX-License-Identifier: Apache-2.0
# DRAE_CUDA: nvcc and the static runtime. Machine code for the cards that the product knows, PTX for
# what comes after. Only the kernels are CUDA; the backend is C.
find_program(DRAE_NVCC nvcc HINTS /usr/local/cuda/bin)
if(NOT CMAKE_CUDA_COMPILER)
  set(CMAKE_CUDA_COMPILER ${DRAE_NVCC})
endif()
set(DRAE_CUDA_ARCHITECTURES "80-real;86-real;89-real;90a-real;90-virtual" CACHE STRING
  "Architectures of the CUDA kernels")
set(CMAKE_CUDA_ARCHITECTURES ${DRAE_CUDA_ARCHITECTURES})
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
