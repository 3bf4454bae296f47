// The table of frames once more, written down from the design and from nothing in src/: who may say what to whom, how long, with
// how many descriptors. What the product's table says is compared with it cell by cell.
using System.Collections.Generic;
using System.Linq;
using Aotftpd.Ipc;

namespace Aotftpd.Unit.Frames;

/// <summary>One frame as the design has it.</summary>
internal sealed record ModelFrame(int Id, string Name, string From, string To, int Least, int Most, int FewestDescriptors, int MostDescriptors);

internal static class FrameModel
{
    internal const int Longest = 4096, MostDescriptors = 16, UnknownId = 32;

    private const string Spawners = "SpawnerWorkers SpawnerHost ZygoteWorkers ZygoteHost";

    internal static readonly ModelFrame[] Frames =
    [
        new(1, "Spawn", "Listener", Spawners, 8, 8, 1, 1),
        new(2, "Kill", "Listener", Spawners, 12, 12, 0, 0),
        new(3, "Spawned", Spawners, "Listener", 16, 16, 0, 0),
        new(4, "Exited", Spawners, "Listener", 16, 16, 0, 0),
        new(5, "Become", "Listener", "Idle", 80, Longest, 2, 5),
        new(6, "Ready", "Prelogin Session Logger " + Spawners, "Listener", 4, 4, 0, 0),
        new(7, "Login", "Prelogin", "Listener", 12, Longest, 0, 0),
        new(8, "LoginResult", "Listener", "Prelogin", 4, 4, 0, 0),
        new(9, "Check", "Listener", "Auth", 40, Longest, 2, 2),
        new(10, "Verdict", "Auth", "Listener", 12, 1024, 0, 0),
        new(11, "PamClose", "Listener", "Auth", 4, 4, 0, 0),
        new(12, "Sockets", "Session", "Listener", 4, 4, 0, 0),
        new(13, "SocketsAre", "Listener", "Session", 8, 8, 0, 8),
        new(14, "DataPort", "Session", "Listener", 24, 24, 0, 0),
        new(15, "DataSocket", "Listener", "Session", 8, 8, 0, 1),
        new(16, "GiveUpload", "Session", "Chowner", 4, 4, 1, 1),
        new(17, "UploadGiven", "Chowner", "Session", 8, 8, 0, 0),
        new(18, "State", "Session", "Listener", 24, 280, 0, 0),
        new(19, "Drain", "Listener", "Prelogin Session", 4, 4, 0, 0),
        new(20, "Kick", "Listener", "Prelogin Session", 4, 4, 0, 0),
        new(21, "Attach", "Listener", "Logger Chowner", 12, 512, 1, 1),
        new(22, "Identify", "Listener", "Logger", 16, 512, 0, 0),
        new(23, "Log", "Listener Prelogin Session", "Logger", 38, Longest, 0, 0),
        new(24, "Reload", "Listener", "Config", 4, 4, 1, 2),
        new(25, "NewSettings", "Config", "Listener", 12, Longest, 0, 0),
        new(26, "LogFiles", "Config", "Logger", 16, 16, 0, 4),
        new(27, "Walls", "SpawnerWorkers", "Listener", 4, 1024, 0, 0),
        new(28, "Who", "Session", "Listener", 4, 4, 0, 0),
        new(29, "WhoIs", "Listener", "Session", 4, 704, 0, 0),
        new(30, "LogSocket", "Session", "Listener", 4, 4, 0, 0),
        new(31, "LogSocketIs", "Listener", "Session", 8, 8, 0, 1),
    ];

    internal static readonly Role[] Roles =
    [
        Role.Listener, Role.SpawnerWorkers, Role.SpawnerHost, Role.ZygoteWorkers, Role.ZygoteHost, Role.Idle, Role.Prelogin, Role.Session, Role.Auth, Role.Config,
        Role.Logger, Role.Chowner,
    ];

    internal static ModelFrame? Of(int id) => Frames.FirstOrDefault(f => f.Id == id);

    internal static bool Names(string roles, Role role) => new HashSet<string>(roles.Split(' ')).Contains(role.ToString());

    /// <summary>A frame of this kind, as short as it may be; an unknown one has four bytes.</summary>
    internal static byte[] Shortest(int id)
    {
        byte[] frame = new byte[Of(id)?.Least ?? 4];
        frame[0] = (byte)id;
        frame[1] = (byte)(id >> 8);
        return frame;
    }
}
