// The two spawners' way to start a child: exec of our own image, with the capabilities of the child's role and no others.
// The table below is all that a spawner knows of roles.
using System;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Privilege;

namespace Aotftpd.Spawner;

/// <summary>Starts exec'd roles. <paramref name="ownCapabilities"/> is what this spawner holds; a child gets a part of it.</summary>
internal readonly unsafe struct ExecStarter(Role allowed, ulong ownCapabilities, ExecStarter.Words words) : IChildStarter
{
    /// <summary>Role words and the constant argument, unmanaged and made at start.</summary>
    internal readonly struct Words
    {
        internal readonly byte* ZygoteWorkers, ZygoteHost, Config, Logger, Chowner, Argument;

        /// <summary>Children inherit <see cref="Namespaces.ProcDescriptor"/>.</summary>
        internal readonly bool GiveProc;

        /// <summary>Copies the words and <paramref name="argument"/> once.</summary>
        internal Words(ReadOnlySpan<byte> argument, bool giveProc)
        {
            GiveProc = giveProc;
            ZygoteWorkers = Child.Copy(RoleWords.ZygoteWorkers);
            ZygoteHost = Child.Copy(RoleWords.ZygoteHost);
            Config = Child.Copy(RoleWords.Config);
            Logger = Child.Copy(RoleWords.Logger);
            Chowner = Child.Copy(RoleWords.Chowner);
            Argument = Child.Copy(argument);
        }
    }

    /// <inheritdoc/>
    public Role Allowed => allowed;

    /// <inheritdoc/>
    public Errno Start(Role role, int socket, out int pid)
    {
        ulong keep = role switch
        {
            Role.ZygoteWorkers or Role.ZygoteHost => ownCapabilities,
            Role.Logger => Capability.Become,
            // SETGID to leave root's groups behind; all but CHOWN is given up before the first frame.
            Role.Chowner => Capability.Chown | Capability.SysChroot | Capability.SetGid,
            _ => Capability.None,
        };
        Child.Arguments(
            role switch
            {
                Role.ZygoteWorkers => words.ZygoteWorkers,
                Role.ZygoteHost => words.ZygoteHost,
                Role.Config => words.Config,
                Role.Logger => words.Logger,
                _ => words.Chowner,
            },
            words.Argument);
        return Child.Start(socket, 0, keep & ownCapabilities, false, words.GiveProc, out pid);
    }
}

/// <summary>First argument of each exec'd role.</summary>
internal static class RoleWords
{
    internal static ReadOnlySpan<byte> Listener => "=listener"u8;

    internal static ReadOnlySpan<byte> SpawnerWorkers => "=spawner-workers"u8;

    internal static ReadOnlySpan<byte> SpawnerHost => "=spawner-host"u8;

    internal static ReadOnlySpan<byte> ZygoteWorkers => "=zygote-workers"u8;

    internal static ReadOnlySpan<byte> ZygoteHost => "=zygote-host"u8;

    internal static ReadOnlySpan<byte> Config => "=config"u8;

    internal static ReadOnlySpan<byte> Logger => "=logger"u8;

    internal static ReadOnlySpan<byte> Chowner => "=chowner"u8;
}
