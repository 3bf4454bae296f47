// The product's image with workers that collect all generations at each wait and at each look at a file, throw and catch, and
// leave garbage: under the product's own filters and limits. A worker in which a collection does not count ends at once, and
// one that ends by itself says by its status that it has collected; the listener logs both as it does any status.
using System;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Privilege;
using Aotftpd.Spawner;
using Aotftpd.Workers;

namespace Aotftpd.Soak;

internal static unsafe class SoakProgram
{
    private const int Unmoved = 97, Soaked = 98;

    private static readonly byte[]?[] s_kept = new byte[]?[64];
    private static bool s_worker;
    private static int s_collections;

    private static int Main(string[] args)
    {
        if (args.Length < 2 || args[0] != "=zygote-workers" || RoleArgument.Parse(args[1]) is not { } mode)
        {
            return Program.Main(args);
        }
        ProcessTitle.Find(mode.ProcDescriptor);
        ProcessTitle.Set("zygote workers"u8);
        IdleWorker.Inherit(mode);
        return SpawnerEntry.ZygoteOf(mode, Role.ZygoteWorkers, Role.Idle, &Idle);
    }

    private static int Idle()
    {
        s_worker = true;
        int status = IdleWorker.Run();
        return status == ExitStatus.Done && s_collections > 0 ? Soaked : status;
    }

    /// <summary>Called by the wrappers of ppoll(2) and statx(2), before the call.</summary>
    internal static void Collect()
    {
        if (!s_worker)
        {
            return;
        }
        s_kept[s_collections % s_kept.Length] = new byte[s_collections % 7000];
        int before = GC.CollectionCount(GC.MaxGeneration);
        try
        {
            throw new InvalidOperationException();
        }
        catch (InvalidOperationException)
        {
            GC.Collect();
        }
        if (GC.CollectionCount(GC.MaxGeneration) == before)
        {
            Libc._exit(Unmoved);
        }
        s_collections++;
    }
}
