/* SPDX-License-Identifier: Apache-2.0 */
/* The CUDA runtime of cuda_runtime_api.h: one device, one thread at a time. */
#include "cuda_runtime_api.h"

#include "tests/simt/drae_simt.h"

#include <stdlib.h>

namespace {

/* What a graph holds: a copy, or a kernel with its arguments. */
struct node {
    node *next;
    void *dst;
    const void *src;
    size_t n_bytes;
    simt::deferred kernel; /* call nullptr: a copy */
};

int calls, fail_at, alive, devices = 1;
cudaError_t fail_with, lost, last;
bool execute = true;

cudaError_t told(cudaError_t e) {
    last = e != cudaSuccess ? e : last;
    return e;
}

cudaError_t enter() {
    calls++;
    if (lost != cudaSuccess) {
        return told(lost);
    }
    if (calls != fail_at) {
        return cudaSuccess;
    }
    if (fail_with != cudaErrorMemoryAllocation && fail_with != cudaErrorInvalidValue) {
        lost = fail_with;
    }
    return told(fail_with);
}

cudaError_t make(void **p, size_t n_bytes) {
    cudaError_t e = enter();
    if (e == cudaSuccess) {
        *p = malloc(n_bytes);
        alive++;
    }
    return e;
}

cudaError_t destroy(void *p) {
    alive -= p != nullptr;
    free(p);
    return told(lost);
}

} // namespace

struct CUgraph_st {
    node *first, **end;
};
struct CUstream_st {
    CUgraph_st *capture; /* nullptr: not capturing */
};
struct CUgraphExec_st {
    node *first;
};
struct CUevent_st {
    int unused;
};

namespace {

CUstream_st *capturing; /* launches do not say where they go */

void append(CUgraph_st *graph, const node &what) {
    node *n = static_cast<node *>(malloc(sizeof(node)));
    *n = what;
    n->next = nullptr;
    *graph->end = n;
    graph->end = &n->next;
}

void drop_nodes(node *n) {
    while (n != nullptr) {
        node *next = n->next;
        if (n->kernel.call != nullptr) {
            n->kernel.drop(n->kernel.arg);
        }
        free(n);
        n = next;
    }
}

/* 1: taken, 0: run it now, -1: refused. */
int on_launch(const simt::deferred &kernel) {
    if (enter() != cudaSuccess) {
        (void)cudaGetLastError(); /* as launch.cuh does */
        return -1;
    }
    if (capturing != nullptr) {
        node n = {};
        n.kernel = kernel;
        append(capturing->capture, n);
        return 1;
    }
    if (!execute) {
        kernel.drop(kernel.arg);
        return 1;
    }
    return 0;
}

const bool hooked = (simt::on_launch = on_launch) != nullptr;

} // namespace

extern "C" {

void drae_runtime_fail(int call, cudaError_t error) {
    calls = 0;
    fail_at = call;
    fail_with = error;
    lost = last = cudaSuccess;
    capturing = nullptr;
}
int drae_runtime_calls(void) {
    return calls;
}
int drae_runtime_alive(void) {
    return hooked ? alive : -1;
}
void drae_runtime_execute(int run) {
    execute = run != 0;
}
void drae_runtime_devices(int count) {
    devices = count;
}

cudaError_t cudaGetDeviceCount(int *count) {
    *count = devices;
    return devices > 0 ? enter() : told(cudaErrorNoDevice);
}
cudaError_t cudaSetDevice(int device) {
    cudaError_t e = enter();
    return e == cudaSuccess && device >= devices ? told(cudaErrorInvalidValue) : e;
}
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr id, int) {
    *value = id == cudaDevAttrComputeCapabilityMajor         ? 8
             : id == cudaDevAttrComputeCapabilityMinor       ? 6
             : id == cudaDevAttrMaxSharedMemoryPerBlockOptin ? 99 * 1024
             : id == cudaDevAttrMultiProcessorCount          ? 56
                                                             : 1000000;
    return enter();
}
cudaError_t cudaGetLastError(void) {
    cudaError_t e = last;
    last = lost;
    return e;
}
const char *cudaGetErrorString(cudaError_t error) {
    return error == cudaErrorMemoryAllocation ? "out of memory"
           : error == cudaErrorNoDevice       ? "no device"
           : error == cudaErrorLaunchFailure  ? "launch failure"
                                              : "invalid value";
}

cudaError_t cudaMalloc(void **p, size_t n_bytes) {
    return make(p, n_bytes);
}
cudaError_t cudaFree(void *p) {
    return destroy(p);
}
cudaError_t cudaHostAlloc(void **p, size_t n_bytes, unsigned) {
    return make(p, n_bytes);
}
cudaError_t cudaFreeHost(void *p) {
    return destroy(p);
}
cudaError_t cudaMemcpy(void *dst, const void *src, size_t n_bytes, enum cudaMemcpyKind) {
    cudaError_t e = enter();
    if (e == cudaSuccess) {
        memcpy(dst, src, n_bytes);
    }
    return e;
}
cudaError_t cudaMemset(void *dst, int value, size_t n_bytes) {
    cudaError_t e = enter();
    if (e == cudaSuccess) {
        memset(dst, value, n_bytes);
    }
    return e;
}
cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t n_bytes, enum cudaMemcpyKind,
                            cudaStream_t stream) {
    cudaError_t e = enter();
    if (e != cudaSuccess) {
        return e;
    }
    if (stream->capture != nullptr) {
        node n = {};
        n.dst = dst;
        n.src = src;
        n.n_bytes = n_bytes;
        append(stream->capture, n);
    } else {
        memcpy(dst, src, n_bytes);
    }
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
    cudaError_t e = make(reinterpret_cast<void **>(stream), sizeof(CUstream_st));
    if (e == cudaSuccess) {
        (*stream)->capture = nullptr;
    }
    return e;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    return destroy(stream);
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
    return enter();
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode) {
    cudaError_t e = make(reinterpret_cast<void **>(&stream->capture), sizeof(CUgraph_st));
    if (e == cudaSuccess) {
        stream->capture->first = nullptr;
        stream->capture->end = &stream->capture->first;
        capturing = stream;
    }
    return e;
}
/* An error inside makes the capture worthless; what it held goes. */
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
    CUgraph_st *held = stream->capture;
    stream->capture = nullptr;
    capturing = nullptr;
    cudaError_t e = enter();
    if (e != cudaSuccess) {
        (void)cudaGraphDestroy(held);
        return e;
    }
    *graph = held;
    return e;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long) {
    cudaError_t e = make(reinterpret_cast<void **>(exec), sizeof(CUgraphExec_st));
    if (e == cudaSuccess) {
        (*exec)->first = graph->first;
        graph->first = nullptr;
    }
    return e;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) {
    return enter();
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t) {
    cudaError_t e = enter();
    for (node *n = exec->first; e == cudaSuccess && n != nullptr; n = n->next) {
        if (n->kernel.call == nullptr) {
            memcpy(n->dst, n->src, n->n_bytes);
        } else if (execute && !simt::launch(n->kernel.name, n->kernel.grid, n->kernel.block,
                                            n->kernel.n_bytes, n->kernel.call, n->kernel.arg)) {
            e = told(lost = cudaErrorLaunchFailure);
        }
    }
    return e;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
    drop_nodes(exec->first);
    return destroy(exec);
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    drop_nodes(graph->first);
    return destroy(graph);
}

cudaError_t cudaEventCreate(cudaEvent_t *event) {
    return make(reinterpret_cast<void **>(event), sizeof(CUevent_st));
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
    return destroy(event);
}
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) {
    return enter();
}
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t, cudaEvent_t) {
    *ms = 0.5f;
    return enter();
}

} // extern "C"
